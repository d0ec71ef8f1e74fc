/* What the engine's gateway answers, read and judged. Pure.
 *
 * Numbers of 64 bits come as strings, and what is zero, false or empty does not come at all. Whatever is not
 * as it should be is no answer, and so uncertain. */
#pragma once

#include <cjson/cJSON.h>

#include "cluster/etcd/etcd.h"

enum answer_kind {
	ANSWER_KV,     /* a header with a revision is a must: without it nothing is believed */
	ANSWER_LEASE,  /* the same, and a lease */
	ANSWER_KEPT,   /* the same, in a stream of one */
	ANSWER_STATUS, /* a header */
	ANSWER_ALARMS, /* nothing is a must */
	ANSWER_TOKEN,
	ANSWER_WATCH, /* lines, see watched_read(); answer_read() where it is refused */
};

struct answer {
	struct etcd_answer said;
	const char *token;
	bool unknown_user; /* with ETCD_REFUSED: the token is none, or none any more */
	bool no_users;     /* with ETCD_REFUSED: nobody needs a token there */
	struct diag why;
	cJSON *json; /* private, as are these; what was said points into them */
	struct etcd_range *ranges;
	struct etcd_kv *kvs;
};
void answer_read(struct answer *ret, enum answer_kind kind, long http, struct slice body);
/* One that did not come. */
void answer_missing(struct answer *ret, const char *why);
void answer_deinit(struct answer *a);

/* A line of a watch's stream. */
struct watched {
	struct etcd_news news;
	bool unknown_user; /* with ETCD_REFUSED: it may be */
	struct diag why;
	cJSON *json;
	struct etcd_kv *kvs;
};
void watched_read(struct watched *ret, struct slice line);
void watched_deinit(struct watched *w);
