/* How inotify is told of what the daemon has changed: by real operations on the mount, for nothing else
 * does it.
 *
 *   - MODIFY: the time of the last change is set; CLOSE_WRITE: the file is opened for writing and closed.
 *   - CREATE: mknod(2), DELETE: unlink(2). The files of a view come and go with its reducer, and the
 *     kernel does not know it. The daemon lets its own thread make and remove them: it finds none where it
 *     makes one, and finds one where it removes it.
 *
 * All on the raise thread (notice.h), which uses the mount like any other program; the fuse thread only
 * asks what it is at. No descriptor on the mount is kept between two: an unmount would fail as busy. The
 * mount may be gone meanwhile, and its path another's: each time it is made sure that what is touched is
 * ours. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct mount;
struct node;

/* What is raised of events/app. */
enum {
	RAISE_MODIFY = 1,
	RAISE_CLOSE = 2,
	/* The same, but not for who watches the directory, whom the kernel has told: of a write through
	 * another node of the file */
	RAISE_NODE_MODIFY = 4,
	RAISE_NODE_CLOSE = 8,
	/* The same, for those who watch a node that was offered (node.h): of whatever has come to the file */
	RAISE_OFFERED_MODIFY = 16,
	RAISE_OFFERED_CLOSE = 32,
};

/* events/app, under a name in tail/ that only the raise thread finds: whoever watches events/ is not told
 * of what is done to it. */
#define RAISE_ALIAS ".events-app"

struct raiser {
	const char *mnt; /* where it is raised; NULL: nowhere */
	/* The raise thread's own. */
	struct known *known; /* the views whose files are there, as far as anybody was told */

	_Atomic pid_t tid; /* the thread's, for the fuse thread */
	_Atomic dev_t dev; /* the mount's, from the fuse thread; 0: nowhere */
	_Atomic enum { RAISING_CHANGE, RAISING_CREATE, RAISING_DELETE } at;
};

/* The mount is there: from now on it is raised on it. On the fuse thread. */
void raise_begin(struct mount *m);
void raise_end(struct mount *m);

void raise_log(struct mount *m, unsigned what);
/* Its files have come or gone, or its state is another one. */
void raise_view(struct mount *m, const char *view);
/* Whatever has happened to any of them. False: no memory to list them. */
bool raise_all_views(struct mount *m);

/* Opens and closes the node's file: the kernel then drops what it has in its page cache. */
void raise_drop(struct mount *m, const struct node *node);

/* Is the mount still mounted somewhere that this process sees? */
bool raise_is_mounted(const struct raiser *r);
