/* Following: the notify thread, which wakes polls and blocked reads when something has changed, and says
 * when inotify is raised.
 *
 * It goes through the files that somebody waits on (follower.h); raising inotify is another thread's
 * (notice.h). */
#pragma once

#include "fs/following/follower.h"
#include "fs/following/notice.h"

struct follow {
	pthread_t thread;
	bool started;
	int done_fd; /* an eventfd: readable once the threads have ended */

	/* Guards what is below, each file's part in following (file.follower, file.unclosed), and the
	 * notices. No other lock of the mount's is taken while it is held, but for the status clock's. Nobody
	 * outside of following takes it. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct file *files;    /* with someone waiting */
	struct file *round;    /* those of them that are still to be looked at; the thread's */
	uint64_t waiting;      /* blocked reads and polls */
	uint64_t status_polls; /* of them, polls on status.json, */
	uint64_t view_waits;   /* and those for a view's news */
	bool stop;
	bool detached;         /* a lazy unmount: nobody can come in any more, and what blocks is to end */
	bool tell_all;         /* all who wait are to look again */
	bool changed[TOPICS];  /* whose followers are to be told, but for views */
	struct changed *views; /* whose followers are to be told */
	uint64_t next_tell;    /* µs of CLOCK_MONOTONIC; not before that */
	uint64_t log_changed;  /* when it did so last: µs of CLOCK_MONOTONIC; */
	bool burst;            /* and then shortly after the time before */
};

/* First of all, since others tell it of changes. `mnt` is borrowed; NULL: inotify is raised nowhere. */
void follow_init(struct mount *m, const char *mnt);
/* Last, when all that the thread asks is there. */
int follow_start(struct mount *m);
/* Ends all waits (reads get end-of-file) and tells the thread to end; `done_fd` says when. The session
 * must go on until then, for inotify may be being raised on the mount. */
void follow_stop(struct mount *m);
/* Waits for the thread's end. Changes may still be told; nobody hears of them. */
void follow_join(struct mount *m);
/* When there is nobody any more who tells of changes, nor a file that is open. */
void follow_deinit(struct mount *m);

/* Something has changed. Any thread, no lock held; cheap. */
/* True: what the views make of it is waited for, or may be: the change stands alone, and whom inotify tells
 * of a view nobody knows. In a burst they have time (notice.h). */
bool follow_log_changed(struct mount *m);
/* Here it is known how: by a write(2) on this file, or by a close of it. */
void follow_appended(struct mount *m, struct file *f, bool by_write);
void follow_view_changed(struct mount *m, const char *view);
void follow_rejected_changed(struct mount *m);
void follow_status_changed(struct mount *m);
/* Looks again whether a file of tail/ that has come to wait just now has missed a change. */
void follow_recheck(struct mount *m, struct file *f);
/* A file is closed for good, and nobody waits on it any more. */
void follow_closed(struct file *f);
/* How many reads and polls wait. */
uint64_t follow_waiting(struct mount *m);
/* Under the lock: the mount can't be reached any more. Who has nothing to read from a tail gets
 * end-of-file. */
void follow_detach(struct mount *m);
/* There is something for the thread to do. */
void follow_wake(struct mount *m);
