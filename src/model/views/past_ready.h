/* Workers that stand ready at a state of the past: who drags the slider asks for its neighbours next. Few of
 * them, since each has a large state in its memory, and for a short while. The caller has a lock for it, and
 * ends without it those that he is given. */
#pragma once

#include "model/views/past_run.h"

#define READY_MAX 2        /* workers, */
#define READY_REST_MS 5000 /* for so long after the last time that one was of use */

struct past_ready {
	struct ready_run {
		struct past_run run; /* its worker is NULL: free */
		uint64_t reducer;    /* identity */
		uint64_t until_ms;
	} runs[READY_MAX];
};

/* The worker that is near before `to`, and nearest; false: there is none. */
bool past_ready_take(struct past_ready *r, uint64_t reducer, const struct log_pos *to, struct past_run *ret);
/* Takes a run. *ret: the one that has to make way for it, if there is one. */
void past_ready_put(struct past_ready *r, uint64_t reducer, const struct past_run *run, uint64_t now_ms,
		    struct past_run *ret);
/* One that has rested for too long. With CLOCK_FOREVER for now: any. False: there is none. */
bool past_ready_take_stale(struct past_ready *r, uint64_t now_ms, struct past_run *ret);
/* When there will be one, as clock_ms() says it; CLOCK_FOREVER: there is none. */
uint64_t past_ready_stale_ms(const struct past_ready *r);
