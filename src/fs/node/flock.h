/* flock(2). The kernel's own locks belong to the node, and a file of the mount may have several (node.h):
 * so they are kept here, for the file.
 *
 * On the fuse thread. */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

struct file;
struct mount;
struct flock_wait;

/* An open file's lock. */
struct flock_held {
	int type;                   /* LOCK_SH, LOCK_EX; 0: none */
	struct file *next, **prevp; /* in the mount's list of those that have one */
};

struct flocks {
	struct file *held;
	struct flock_wait *waiting; /* in the order of their coming */
};

/* Answers now, or when the lock is free. `op` as in flock(2). */
void flock_request(fuse_req_t req, struct file *f, int op);
/* The file is closed for good. */
void flock_release(struct file *f);
/* Answers all that wait: the mount ends. */
void flocks_end(struct mount *m);
