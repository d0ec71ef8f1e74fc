/* The inside of time travel, shared by past.c (who asks, and whose turn it is) and trip.c (one trip). */
#pragma once

#include <pthread.h>

#include "model/views/past.h"
#include "model/views/past_cache.h"
#include "model/views/past_ready.h"
#include "model/views/past_run.h"
#include "store/live_reader.h"

/* On a long way a state is kept this many events before its end (and a multiple of it), for the neighbours to
 * begin at. A way of no more than that is a short one. */
#define PAST_STEP 1024
/* From how far in bytes and events one gets somewhere at once. */
#define PAST_NEAR (2u << 20)
#define PAST_GUIDES 12 /* at most */

struct past_request {
	struct past_request *next;
	char view[LIMIT_NAME + 1];
	uint64_t seq;
	const void *key;
	views_done *done; /* NULL: cancelled */
	void *arg;
};

/* Makes one trip at a time: a thread with a reader of its own. */
struct guide {
	struct past *past;
	pthread_t thread;
	int stop_fd; /* an eventfd: what is being worked on is to be given up */
	struct live_reader live;

	/* Under the lock. `current` is in the thread's hands, but for its `done`. */
	struct past_request *current; /* NULL: it has none */
	uint64_t reducer;             /* identity, of that */
	bool is_long;
};

struct past {
	struct views *views;
	int views_fd;
	struct worker_limits limits;
	void (*report)(void *arg, const char *text);
	void *report_arg;
	unsigned n_guides, long_max; /* so many, and so many of them on long trips */

	/* 1. A request is in the queue, or one guide's current one.
	 * 2. No more than `long_max` guides are on long trips. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct past_request *first, **last;
	struct guide guides[PAST_GUIDES];
	struct past_cache cache;
	struct past_ready ready;
	uint64_t slow;    /* identity of the reducer whose states took too long to be peeked at; 0: none */
	struct diag told; /* what was reported last */
	bool stop;
};

/* Is it no way worth a stop? `from` is not behind `to`. */
static inline bool past_is_near(const struct log_pos *from, const struct log_pos *to)
{
	return to->seq - from->seq <= PAST_STEP && to->off - from->off <= PAST_NEAR;
}

/* past.c. The state of that reducer furthest on, but not beyond `seq` events: a reference; NULL: none. */
struct rendering *past_cached(struct past *p, uint64_t reducer, uint64_t seq);
void past_keep(struct past *p, uint64_t reducer, struct rendering *rendering);
/* A worker that stands ready near before `to`; false: there is none. */
bool past_take_ready(struct past *p, uint64_t reducer, const struct log_pos *to, struct past_run *ret);
/* Takes a run, to stand ready for a while. */
void past_keep_ready(struct past *p, uint64_t reducer, struct past_run *run);
/* Its states take too long to be peeked at. */
void past_note_slow(struct past *p, uint64_t reducer);
bool past_is_slow(struct past *p, uint64_t reducer);
/* For the daemon's log, once and not with each look. */
void past_tell(struct past *p, const struct past_request *q, const struct diag *why);

/* trip.c, without the lock */
struct views_answer trip_make(struct guide *g, const struct past_request *q);
/* The last place on a way to `seq` where a state is kept; 0: the start. */
static inline uint64_t trip_last_stop(uint64_t seq)
{
	return seq > PAST_STEP ? (seq - 1) / PAST_STEP * PAST_STEP : 0;
}
