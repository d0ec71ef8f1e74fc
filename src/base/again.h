/* What did not work for want of something that passes (descriptors, memory, an answer), and is tried
 * again: after a short pause at first, and after twice as long each time. {0}: nothing is to be tried. */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/defs.h"

#define AGAIN_MAX_MS 60000

struct again {
	uint64_t at_ms; /* not before, of clock_ms(); 0: not at all */
	uint64_t pause_ms;
	unsigned tries; /* in a row */
};

static inline void again_later(struct again *a, uint64_t least_ms)
{
	uint64_t pause = max(2 * a->pause_ms, least_ms);

	a->pause_ms = min(pause, (uint64_t)AGAIN_MAX_MS);
	a->at_ms = clock_ms() + a->pause_ms;
	a->tries++;
}

static inline bool again_is_due(const struct again *a)
{
	return a->at_ms && clock_ms() >= a->at_ms;
}

/* It is to be tried, but not yet. */
static inline bool again_waits(const struct again *a)
{
	return a->at_ms && clock_ms() < a->at_ms;
}

/* The earlier of the two. */
static inline void again_first(const struct again *a, uint64_t *time_ms)
{
	if (a->at_ms)
		*time_ms = min(*time_ms, a->at_ms);
}

/* A want of descriptors, memory or processes, which passes. */
static inline bool error_passes(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EAGAIN ||
	       error == -ENOBUFS || error == -ETOOMANYREFS;
}
