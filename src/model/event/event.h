/* An event: the check of a line against the envelope's rules, its decoded form for reducers, and the
 * splice that makes the stored line.
 *
 * An event is a JSON object (json.h: strict, LIMIT_DEPTH deep) with no duplicate among the envelope's keys
 * (compared decoded: "\u0074ype" is "type"):
 *     type         non-empty string                required
 *     data         any value
 *     ts           integer, 0 to 2^64-1
 *     id, actor    string or null
 *     meta         any value
 * Other keys are kept as they are and mean nothing here.
 *
 * Threads: none of it is shared; an event is used by one thread. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "model/eventfold/reducer.h"

enum { EVENT_HAS_DATA = 1, EVENT_HAS_TS = 2 };

/* One that has a form of its own for events: a constant, whose address says whose a form is. */
struct event_host {
	void (*free)(void *form);
};

/* A decoded event. Init it with {0}, scan line after line with it, deinit it.
 * `pub` comes first so that the reducer interface's functions find the rest behind the pointer they
 * are given. */
struct event {
	struct eventfold_event pub; /* valid after a successful scan, as long as the line lives */
	unsigned has;               /* EVENT_HAS_… */
	/* Made on demand, freed by the next scan. */
	struct event_text *texts; /* decoded strings */
	cJSON *tree;              /* data as a tree */
	struct {
		const struct event_host *host; /* whose it is; NULL: there is none */
		void *form;
	} foreign; /* the whole event in a host's own form: event_form() */
	/* A look-up has failed for lack of it: whatever the reducer says, it has not seen all. */
	bool no_memory;
	struct diag *fail; /* where eventfold_fail() writes; the engine sets it */
};

void event_deinit(struct event *ev);

/* Checks `line` (no newline inside; outer white space allowed) and fills ev->pub but for seq and off.
 * True, or false with the reason; false with ev->no_memory set says nothing about the line. This is the
 * one check: what is appended, folded and verified passes through it, in the daemon and in the workers
 * alike. It is the hot path. */
bool event_scan(struct event *ev, struct slice line, struct json_error *ret_error);

/* The same of the event that begins exactly at `at`, something else following it: the place of that, white
 * space skipped; 0: it is none. */
size_t event_scan_element(struct event *ev, struct slice line, size_t at, struct json_error *ret_error);

/* Decodes a checked string (with its quotes) into memory that lives until the next scan. False: no memory. */
bool event_decode(struct event *ev, struct slice raw, struct eventfold_slice *ret);

/* The form that this host has given the event since it was scanned; NULL: none. */
static inline void *event_form(const struct event *ev, const struct event_host *host)
{
	return likely(ev->foreign.host == host) ? ev->foreign.form : NULL;
}
/* Takes the host's form; it lives until the next scan, or until another host gives the event its own. */
static inline void event_set_form(struct event *ev, const struct event_host *host, void *form)
{
	if (ev->foreign.host)
		ev->foreign.host->free(ev->foreign.form);
	ev->foreign.host = host;
	ev->foreign.form = form;
}

/* Appends the stored form of the line that ev was scanned from: its own bytes, outer white space
 * trimmed, `data` and `ts` spliced in before the last brace where they are missing, and a newline. */
void event_store(const struct event *ev, uint64_t now, struct buf *out);

/* Where an event's members are in its stored line: who is handed that with a line that has been checked need
 * not look once more. */
struct event_place {
	uint32_t at, len; /* at 0: it is absent, or null where that is the same; a line begins with a brace */
};
struct event_layout {
	struct event_place type, id, actor, data,
	    meta; /* of type 0: nothing is known, the line is to be scanned */
	uint64_t ts;
};

/* Of the line that event_store() makes of it. Nothing is known where a string of its own has escapes. */
struct event_layout event_layout(const struct event *ev, uint64_t now);
/* What event_scan() of that line would come to. */
void event_lay_out(struct event *ev, struct slice line, const struct event_layout *layout);
