/* Requests that wait for what came before them, and are then run as if they came in now: on the fuse
 * thread, like every other.
 *
 * For the log, until what was acknowledged is in it. With sync=close and sync=none a write is answered
 * when its lines are queued; a look at the log or at a view that begins after that has to see them all the
 * same. While lines are queued, such a request goes behind them through the commit thread. With sync=write,
 * and where the log is shared, no write is answered before: nothing ever waits for that.
 *
 * For the reducers, until it is known what lies in DATA/reducers now. Where that is at hand, as it nearly
 * always is, nothing waits; else the request waits for the catalog, which never takes long
 * (model/catalog/catalog.h), and can be interrupted. */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>
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
	bool looked;      /* it has waited for the reducers already */
	void (*run)(const struct deferred_call *call);
};

/* Deferred calls that are due, and those that wait for the reducers. */
struct deferred {
	_Atomic bool due; /* there may be some */
	int ready_fd;     /* an eventfd, for whoever sleeps */

	pthread_mutex_t lock;
	struct deferred_item *items, **last; /* in the order of their coming */
	struct deferred_item *looking;
};

int must_check deferred_init(struct mount *m);
/* Answers what is left with ENOTCONN. Nobody defers, commits or looks any more. Nothing where ready_fd is
 * -1. */
void deferred_deinit(struct mount *m);

/* False: there is nothing to wait for, or no memory to do it: go on. */
bool deferred_until_committed(struct mount *m, const struct deferred_call *call);
/* The view's reducer, or (NULL) just which there are. */
bool deferred_until_known(struct mount *m, const struct deferred_call *call, const char *view);
/* Runs what is due. On the fuse thread. */
void deferred_run(struct mount *m);
