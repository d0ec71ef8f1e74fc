/* Requests that wait until what was acknowledged before them is in the log.
 *
 * With sync=close and sync=none a write is answered when its lines are queued; a look at the log or at a view that begins
 * after that has to see them all the same. While lines are queued, such a request goes behind them through the commit
 * thread, and is then run as if it came in now: on the fuse thread, like every other. With sync=write nothing ever waits
 * here. */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "base/defs.h"

struct mount;

/* All that an operation is called with. */
struct deferred_call {
	fuse_req_t req;
	fuse_ino_t ino;
	struct fuse_file_info fi;
	size_t size;
	off_t off;
	const char *name; /* is copied */
	void (*run)(const struct deferred_call *call);
};

/* Deferred calls that are due. */
struct deferred {
	_Atomic bool due;                    /* there may be some */
	int ready_fd;                        /* an eventfd, for whoever sleeps */
	struct deferred_item *items, **last; /* in the order of their coming; under the mount's lock */
};

int must_check deferred_init(struct mount *m);
/* Answers what is left with ENOTCONN. Nobody defers or commits any more. */
void deferred_deinit(struct mount *m);

/* False: nothing is queued, or there is no memory to wait: go on. */
bool deferred_until_committed(struct mount *m, const struct deferred_call *call);
/* Runs what is due. On the fuse thread. */
void deferred_run(struct mount *m);
