/* Raises inotify for changes that the daemon made: by a real operation on the mount, for nothing else does. On a thread of its own, which
 * uses the mount like any other program: the fuse thread would wait for itself, and the notify thread (follow.h), which says when, has
 * followers to wake meanwhile.
 *
 * All but the life cycle is under the mount's lock. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/changed.h"

struct mount;

/* When inotify is raised again: µs, of CLOCK_MONOTONIC. */
struct pace {
	bool wanted;
	uint64_t last, next, pause;
};

struct notice {
	pthread_t thread;
	const char *mnt; /* where it is raised; NULL: nowhere */

	/* Under the mount's lock. */
	pthread_cond_t wake;
	bool stop;
	bool check_mounts; /* the table of mounts has changed */
	struct pace log_pace, views_pace;
	struct changed *views; /* for which it is wanted */
	bool all_views;        /* or for all, since there was no memory for names */
	bool raising;          /* the thread is at work, on the next two */
	bool raise_log;
	struct changed *raise_views;

	_Atomic pid_t tid; /* the thread's, for the fuse thread */
	_Atomic dev_t dev; /* the mount's, from the fuse thread; 0: nowhere */
};

/* `mnt` is borrowed. */
void notice_init(struct mount *m, const char *mnt);
int notice_start(struct mount *m);
/* No lock held. Ends the thread, which may be at work on the mount: the session goes on meanwhile. */
void notice_stop(struct mount *m);
/* When there is nobody any more who tells of changes. */
void notice_deinit(struct mount *m);

/* No lock held. The mount is there: from now on inotify is raised on it. On the fuse thread. */
void notice_mounted(struct mount *m);
/* No lock held. Something has been mounted or unmounted, somewhere: perhaps this mount, by a lazy unmount, of which the kernel tells
 * nobody. */
void notice_mounts_changed(struct mount *m);
/* Any thread: is this thread the one that raises inotify? What it opens is opened for that and nothing else. */
bool notice_is_its(const struct mount *m, pid_t tid);

/* The log or a view has changed. True: notice_next() is another one now. */
bool notice_want_log(struct mount *m);
bool notice_want_view(struct mount *m, const char *view);
/* Sets the thread to work on what is to be raised by now. False: there is nothing, or it is at work. */
bool notice_go(struct mount *m);
/* When there will be something: µs of CLOCK_MONOTONIC. UINT64_MAX: not before follow_wake(). */
uint64_t notice_next(const struct mount *m);
