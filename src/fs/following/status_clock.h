/* When status.json has changed: the time that it is told to be of, and the number of its changes, for
 * those who wait for the next. What it says may change with every event, so both move at most once a
 * second; what lies between is told of at the end of that second.
 *
 * Any thread. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"

struct status_clock {
	pthread_mutex_t lock;
	struct timespec changed; /* as told */
	uint64_t version;        /* as told */
	bool pending;            /* there is a change that is not told yet */
	struct timespec news;    /* the last such one */
	uint64_t text;           /* hash of what it said last, without what changes by itself */
};

/* It is as it is since then. */
void status_clock_init(struct status_clock *c, const struct timespec *changed);
void status_clock_deinit(struct status_clock *c);

/* Something that it tells of has changed just now. */
void status_clock_news(struct status_clock *c);
/* It was looked at, and says this. Of what changes without anybody saying so, this is where it is seen. */
void status_clock_text(struct status_clock *c, uint64_t hash);
/* The version that may be told now, and (unless NULL) since when. */
uint64_t status_clock_now(struct status_clock *c, struct timespec *ret_changed);
/* How long until a pending change may be told: µs; 0: now. CLOCK_FOREVER: there is none. */
uint64_t status_clock_left(struct status_clock *c);
