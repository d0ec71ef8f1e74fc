/* Time travel: the views as they were after the first N events.
 *
 * A state at N is folded by a worker started for that, from the nearest state before N that is at hand (a
 * cached one, the view's snapshot on disk), whose head is set to N. States on the way are kept, so that
 * asking for a neighbour is cheap. The cache is bounded in number and bytes.
 *
 * Several trips are made at a time: as many long ones as there are processors, two at least. A short one, to
 * a neighbour of what is known, never waits for long ones; one that another trip will have made short waits
 * for that. No view takes the last place from the others.
 *
 * Threads. A few of its own make the trips (guides); any thread may ask and cancel. */
#pragma once

#include "model/views/views.h"

struct past;

int must_check past_start(struct past **ret, struct views *views, struct eventlog *log, struct disk *disk,
			  int data_dirfd, const struct views_options *options);
/* Answers all who wait with -ESHUTDOWN and ends the threads. NULL is fine. */
void past_stop(struct past *p);

/* The view's state after the first `seq` events. -ENOENT: the log has fewer, or there is no such view; -EIO:
 * its reducer is broken, or breaks on the way. `done` is called exactly once, on a guide's thread or, for a
 * request that is cancelled, by the one who cancels. */
void past_want(struct past *p, const char *view, uint64_t seq, const void *key, views_done *done, void *arg);
void past_cancel(struct past *p, const void *key);
