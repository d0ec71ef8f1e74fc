/* A mounted log: the log, its views, and what the kernel's requests are answered from. It does not know how the requests
 * come in (a real mount or a socketpair): that is session.h.
 *
 * Threads: the fuse thread runs the operations, one after the other; those that have to wait are answered by the thread whose
 * work they wait for (commit, archiver, history, views, past, notify). Answering is the last thing that is done with a
 * request. */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>

#include "fs/archiver.h"
#include "fs/commit.h"
#include "fs/deferred.h"
#include "fs/flock.h"
#include "fs/follow.h"
#include "fs/history.h"
#include "fs/mtime.h"
#include "fs/node.h"
#include "fs/rejected.h"
#include "fs/reservation.h"
#include "fs/status_clock.h"
#include "fs/writer.h"
#include "model/past.h"
#include "model/views.h"

struct mount_options {
	const char *data; /* DATA's absolute path */
	const char *mnt;  /* MNT's, for inotify; NULL: there is none */
	enum sync_mode sync;
	uint64_t max_line;          /* bytes */
	uint64_t rotate;            /* bytes; 0: never */
	unsigned reduce_timeout_ms; /* 0: none */
	uint64_t reduce_memory;     /* bytes; 0: no limit */
	mode_t data_umask;       /* the process's, which files are created with; to be told in status.json */
	const char *worker_path; /* see views_options */
	bool quiet;              /* in the background: standard output and error are let go of */
	/* One line for the daemon's log. Any thread. */
	void (*report)(void *arg, const char *text);
	/* The kernel's first request has been answered: the mount works. On the fuse thread. */
	void (*ready)(void *arg);
	void *arg;
};

/* Who has used events/app lately. µs of CLOCK_MONOTONIC. */
struct log_use {
	pid_t last;      /* thread */
	uint64_t others; /* when another than the one before did */
};

struct mount {
	struct mount_options options;
	int data_fd;
	struct eventlog *log;
	struct views *views;
	struct past *past;
	struct committer *committer;
	struct archiver *archiver;
	struct history *history;
	struct rejected rejected;
	uint64_t since; /* seconds since 1970 */
	uid_t uid;
	gid_t gid;
	char *reducers; /* where the symbolic link points */

	bool threads_hidden; /* of others, in /proc */
	struct reservations reservations;
	struct node *writers; /* events/app for those who may truncate it */

	/* The fuse thread's own. */
	struct nodes nodes; /* references are taken on any thread */
	struct looked_up looked_up;
	struct flocks flocks;
	struct log_use log_use;
	struct event scanner;

	/* The commit thread adds to it. */
	struct guard_log beginning;

	/* Under the lock: the open files of each node, what a file holds (file.h), the nodes' times, the waits for rotations, and whether the end
	 * has begun. */
	pthread_mutex_t lock;
	uint64_t open_files;
	struct rotation *rotations; /* that somebody waits for */
	bool closing;               /* nothing may be given to the committer any more */
	struct follow follow;
	struct notice notice;
	struct status_clock status;
	struct mtimes mtimes;
	struct deferred deferred;
	struct node *left; /* whose page cache is to be dropped (held.h); with references */
};

/* Opens DATA, mends it where needed and starts the threads; signals are blocked in them. 1: another process holds the
 * data, see the diag. */
int must_check mount_open(struct mount **ret, const struct mount_options *options, struct diag *diag);
/* Writes and saves everything, answers all that wait, ends the threads. No request may come in any more. */
void mount_close(struct mount *m);

extern const struct fuse_lowlevel_ops mount_ops; /* userdata: struct mount */
