/* Server-sent events: an answer without an end, filled by what is new. Four kinds: the log, its heads,
 * a view's state, and what the page wants to know. Each stream has a place of its own and runs on its
 * connection's thread; the hub tells it of news. */
#pragma once

#include <microhttpd.h>

#include "web/sse.h"
#include "web/web.h"

struct stream;

struct stream_kind {
	/* Adds what is new to s->out: 1, or 0: nothing is. Negative: it ends. */
	int (*fill)(struct stream *s);
	void (*end)(struct stream *s);
};

struct stream {
	const struct stream_kind *kind;
	struct web *web;
	struct gate_entry *entry; /* may be NULL */
	int socket;
	struct buf out;
	size_t sent;      /* of out */
	uint64_t beat_ms; /* when the last byte was sent */

	/* the log, and its heads */
	struct sse log;
	uint64_t epoch;

	/* a view */
	struct hub_view *view;
	struct hub_text *text; /* being sent */
	size_t text_sent;
	uint64_t seen;

	/* the page */
	uint64_t seen_status, seen_views;
	bool was_up, has_begun;
};

/* Answers with a stream, which it takes over: allocated, with its kind's fields set. */
enum MHD_Result stream_answer(struct web *w, struct MHD_Connection *connection, struct stream *s);

/* tail/app, tail/app@OFFSET, tail/app@OFFSET:HASH or tail/head: a Last-Event-ID is an OFFSET; or
 * tail/NAME.json. */
enum MHD_Result stream_tail(struct web *w, struct MHD_Connection *connection, const char *name);
/* `status`: status.json, `views`: names of views that have changed, `mount`: "gone" or "back". */
enum MHD_Result stream_live(struct web *w, struct MHD_Connection *connection);
