/* fcntl(2) locks, of processes and of open files (F_OFD_…). The kernel's own belong to the node, and a file
 * of the mount may have several (node.h): so they are kept here, for the file, as flock(2)'s are (flock.h).
 *
 * A process loses all its locks of a file when it closes any descriptor of it: of that the FLUSH tells, by
 * the owner. An open file's own are told of by its RELEASE only.
 *
 * Any thread, no lock held; requests come in on the fuse thread. */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>

#include "fs/node/ranges.h"

struct file;
struct mount;

struct posix_locks {
	pthread_mutex_t lock;
	struct ranges held;
	struct posix_wait *waiting; /* in the order of their coming */
};

void posix_locks_init(struct posix_locks *t);
void posix_locks_deinit(struct posix_locks *t);

/* Answers with the lock that is in the way, or that there is none. */
void posix_lock_test(fuse_req_t req, struct file *f, uint64_t owner, const struct flock *lock);
/* Answers now, or, if it is to wait, when the lock can be had. */
void posix_lock_set(fuse_req_t req, struct file *f, uint64_t owner, const struct flock *lock, bool wait);
/* The owner has closed this file once, and before that is answered. */
void posix_locks_close(struct file *f, uint64_t owner);
/* It is closed for good. */
void posix_locks_release(struct file *f);
/* Answers all that wait: the mount ends. */
void posix_locks_end(struct mount *m);
