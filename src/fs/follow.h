/* Following: the notify thread, which wakes polls and blocked reads, another one that raises inotify for it, and what it needs to know of each file.
 *
 * A file that somebody waits on is in the mount's list of followers. Who waits is told when the file differs from what
 * it has read; level-triggered: the wait is entered before the state is looked at, both under the mount's lock, so no change can
 * fall between. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

struct file;
struct mount;

/* A read that waits for something to read. */
struct tail_wait {
	struct tail_wait *next;
	fuse_req_t req;
	size_t size;
	bool nonblock; /* it does not wait, but its answer has to be asked for */
};

/* What a file has seen of what it follows. */
struct seen {
	uint64_t off;     /* of the log's head, or how far the view had read */
	uint64_t version; /* of the view's state */
	bool broken;
	bool something;   /* it has read at all */
};

/* A file's part in following. Under the mount's lock. */
struct follower {
	struct file *next, **prevp;    /* in the mount's list; prevp NULL: not in it */
	struct fuse_pollhandle *poll;  /* whom to tell, once */
	struct tail_wait *first, **last;
	bool reading;                  /* a read is being answered: others wait behind it */
	uint64_t pos;                  /* the log: behind what has been read. A view's tail: in its text */
	struct seen seen;
};

/* When inotify is raised again: µs, of CLOCK_MONOTONIC. */
struct pace {
	bool wanted;
	uint64_t last, next, pause;
};

struct follow {
	pthread_t thread, raise_thread;
	bool inited, started;
	int done_fd; /* an eventfd: readable once the threads have ended */
	const char *mnt; /* where inotify is raised; NULL: nowhere */

	/* Under the mount's lock. */
	pthread_cond_t wake;
	struct file *files;      /* with someone waiting */
	bool stop;
	bool check_mounts;       /* the table of mounts has changed */
	bool detached;           /* a lazy unmount: nobody can come in any more, and what blocks is to end */
	bool tell_all;           /* all who wait are to look again */
	bool log_changed;        /* its followers are to be told */
	struct changed_view *views;
	uint64_t next_tell;      /* µs of CLOCK_MONOTONIC; not before that */
	uint64_t waiting;        /* blocked reads and polls */
	pthread_cond_t raise;
	struct pace log_pace, views_pace;
	bool raising;            /* the raising thread is at work */
	bool raise_log;

	/* The raising thread's own; tid is read by the fuse thread. */
	_Atomic pid_t tid;
	_Atomic dev_t dev; /* the mount's; 0: nowhere. Set by the fuse thread */
};

/* First of all, since others tell it of changes; and last, when all that the thread asks is there. `mnt` is borrowed. */
int follow_init(struct mount *m, const char *mnt);
int follow_start(struct mount *m);
/* Ends all waits (reads get end-of-file) and tells the thread to end; `done_fd` says when. The session must go on until then,
 * for the thread may be at work on the mount. */
void follow_stop(struct mount *m);
/* The mount is there: from now on inotify is raised on it. On the fuse thread. */
void follow_mounted(struct mount *m);
/* Something has been mounted or unmounted, somewhere: perhaps this mount, by a lazy unmount, of which the kernel tells nobody. */
void follow_mounts_changed(struct mount *m);
/* Under the lock: do blocked reads of the file end, with end-of-file? */
bool follow_is_over(const struct file *f);
/* Waits for the thread's end. Changes may still be told; nobody hears of them. */
void follow_join(struct mount *m);
/* Frees what is left, when there is nobody any more who tells of changes. */
void follow_free(struct mount *m);

/* Something has changed. Any thread, no lock held; cheap. */
void follow_log_changed(struct mount *m);
void follow_view_changed(struct mount *m, const char *view);
/* Looks again whether a file that has come to wait just now has missed a change. */
void follow_recheck(struct mount *m, struct file *f);

void follower_init(struct file *f);
/* A file is closed: nobody waits on it any more. Under the lock. */
void follower_deinit(struct file *f);

/* poll(2) on a file. */
void follow_poll(fuse_req_t req, struct file *f, struct fuse_pollhandle *ph);
/* Under the lock: a read waits for the file to change. */
void follow_wait(struct file *f, struct tail_wait *wait);
/* Under the lock: the next read that waits for the file; NULL: none. The caller's to answer. */
struct tail_wait *follow_take(struct file *f);
/* An interrupted request, if it is one that waits here: answered with EINTR. */
void follow_interrupt(struct mount *m, fuse_req_t req);
/* Is this thread the one that raises inotify? What it opens is opened for that and nothing else. */
bool follow_is_notice(struct mount *m, pid_t tid);
