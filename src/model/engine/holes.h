/* The parts of history that a state lacks, since they were damaged when it was folded: a view that has such
 * holes is served, and says so.
 *
 * A plain value: it goes from the worker to the daemon as it is, and into snapshots and status.json as JSON.
 * All zero: there are none. */
#pragma once

#include "base/buf.h"
#include "store/log.h"

#define HOLES_MAX 8 /* so many are told one by one; those behind them are only counted */

struct hole {
	uint64_t off, end;  /* bytes of history */
	uint64_t seq;       /* events before it */
	uint64_t events;    /* in it */
	uint32_t uncounted; /* nobody knows how many: `events` are those that there must have been */
	uint32_t no_event;  /* it can be read, but is no event: at/N/app has it too */
};

struct holes {
	uint64_t n;          /* all of them */
	uint64_t events;     /* in all of them, */
	uint32_t uncounted;  /* at least */
	uint32_t unreadable; /* one at least can't be read */
	struct hole hole[HOLES_MAX];
};

/* Holes come in the order of history. One that goes on where the last one of its sort ends becomes part of
 * that. */
void holes_add(struct holes *h, const struct hole *hole);

/* Those before `off`. */
struct holes holes_before(const struct holes *h, uint64_t off);

/* How many are told one by one: believes nothing of a value that came from elsewhere. */
static inline size_t holes_listed(const struct holes *h)
{
	return (size_t)min(h->n, (uint64_t)HOLES_MAX);
}

/* One line for a person: what is missing, and what to do. */
void holes_explain(const struct holes *h, struct buf *out);

/* The number of missing events, or null; and a list:
 * [{"from":OFFSET,"to":OFFSET,"after":EVENTS,"events":N,"why":"damaged"},…]. */
void holes_write_count(const struct holes *h, struct buf *out);
void holes_write_list(const struct holes *h, struct buf *out);

/* From {"count":N,"missing":…,"holes":[…]}, raw. False: it is nothing of the kind. */
bool must_check holes_read(struct slice raw, struct holes *ret);
void holes_write(const struct holes *h, struct buf *out);
