/* When inotify is told of a change that the daemon made, and by which thread: one of its own, for the fuse
 * thread would wait for itself, and the notify thread (follow.h), which says when, has followers to wake
 * meanwhile. How it is done is raise.h's.
 *
 * The kernel itself tells of what a program does to events/app. What it can't know is left for here:
 *   - what is appended through events/app@…, or at a close;
 *   - what is written through another node of events/app, for those who watch the file itself;
 *   - CLOSE_WRITE, where a program appends and does not close: many wait for that.
 *
 * All but the life cycle is under the lock of following (follow.h). */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/following/changed.h"
#include "fs/following/raise.h"

struct file;
struct mount;

/* When inotify is raised again: µs, of CLOCK_MONOTONIC. */
struct pace {
	bool wanted;
	uint64_t last, next, pause;
};

/* An open file's part. */
struct unclosed {
	struct file *next, **prevp; /* in the notice's list; prevp NULL: not in it */
	uint64_t since;             /* µs, of CLOCK_MONOTONIC */
};

struct notice {
	pthread_t thread;
	struct raiser raiser;

	/* Under the lock of following (follow.h). */
	pthread_cond_t wake;
	bool stop;
	bool drop;         /* there are page caches to be dropped (held.h) */
	bool check_mounts; /* the table of mounts has changed */
	struct pace log_pace, views_pace;
	unsigned log;          /* RAISE_…: what is wanted of it */
	struct changed *views; /* for which it is wanted */
	bool all_views;        /* or for all, since there was no memory for names */
	/* Files that have appended, and of whose close nobody has been told; in the order of `since`. */
	struct file *unclosed, **unclosed_last;
	uint64_t look; /* when they are looked at; 0: there was none when that was done last */
	bool raising;  /* the thread is at work, on the next three */
	unsigned raise_log;
	struct changed *raise_views;
	bool raise_all_views;
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
/* No lock held. Something has been mounted or unmounted, somewhere: perhaps this mount, by a lazy unmount,
 * of which the kernel tells nobody. */
void notice_mounts_changed(struct mount *m);
/* Any thread: is this thread the one that raises inotify? What it opens is opened for that and nothing
 * else. */
bool notice_is_its(const struct mount *m, pid_t tid);

/* A view has changed, come or gone. This and the next two: true if notice_next() is earlier now. */
bool must_check notice_want_view(struct mount *m, const char *view);
/* The file has appended, by a write(2) or at a close. */
bool must_check notice_appended(struct file *f, bool by_write);
/* The file is closed for good: who watches it has been told by the kernel. */
bool must_check notice_closed(struct file *f);
/* Takes the lock: there may be page caches to be dropped (held.h). False: nobody can have that done. */
bool notice_drop(struct mount *m);
/* Any thread: sets the raise thread to work on what is to be raised by now. False: there is nothing, or it
 * is at work. */
bool notice_go(struct mount *m);
/* When there will be something: µs of CLOCK_MONOTONIC. CLOCK_FOREVER: not before follow_wake(). */
uint64_t notice_next(const struct mount *m);
