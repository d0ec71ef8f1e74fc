/* A mounted log: the log, its views, and what the kernel's requests are answered from. It does not know
 * how the requests come in (a real mount or a socketpair): that is session.h.
 *
 * Threads: the fuse thread runs the operations, one after the other; those that have to wait are answered
 * by the thread whose work they wait for (commit, archiver, history, prover, views, past, notify). Answering
 * is the last thing that is done with a request. */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>

#include "fs/access.h"
#include "fs/cluster/cluster.h"
#include "fs/log/archiver.h"
#include "fs/log/commit.h"
#include "fs/files/ctl_file.h"
#include "fs/deferred.h"
#include "fs/log/feeder.h"
#include "fs/log/pieces.h"
#include "fs/node/flock.h"
#include "fs/following/follow.h"
#include "fs/log/history.h"
#include "fs/mtime.h"
#include "fs/node/node.h"
#include "fs/node/posix_lock.h"
#include "fs/log/prover.h"
#include "fs/log/rejected.h"
#include "fs/log/settler.h"
#include "fs/node/reservation.h"
#include "fs/following/status_clock.h"
#include "fs/log/writer.h"
#include "model/ids/ids.h"
#include "model/judge/judge.h"
#include "model/views/past.h"
#include "model/views/views.h"

struct mount_options {
	const char *data; /* DATA's absolute path */
	const char *mnt;  /* MNT's, for inotify; NULL: there is none */
	enum sync_mode sync;
	enum journal_mode journal;
	uint64_t max_line;          /* bytes */
	uint64_t rotate;            /* bytes; 0: never */
	bool strict_ts;             /* see writer_rules */
	unsigned reduce_timeout_ms; /* 0: none */
	uint64_t reduce_memory;     /* bytes; 0: no limit */
	unsigned rules_timeout_ms;  /* for so long an append waits for rules that can't be asked yet */
	const char *tz;             /* the reducers' zone by its name; NULL: UTC */
	const struct zone *zone;    /* and as it was loaded; borrowed */
	struct access_rules access;
	struct cluster_options cluster; /* its own: not copied, freed by whoever has parsed them */
	mode_t data_umask;       /* the process's, which files are created with; to be told in status.json */
	const char *worker_path; /* see views_options */
	const char *agent_path; /* of the cluster; see cluster_start */
	bool quiet;             /* in the background: standard output and error are let go of */
	/* One line for the daemon's log. Any thread. */
	void (*report)(void *arg, const char *text);
	/* The kernel's first request has been answered: the mount works. On the fuse thread. */
	void (*ready)(void *arg);
	void *arg;
};

struct mount {
	struct mount_options options;
	int data_fd;
	struct eventlog *log;
	struct views *views;
	struct past *past;
	struct rules *rules;
	struct judge *judge;
	struct feeder *feeder;
	struct pieces_spare pieces_spare;
	struct cluster *cluster; /* NULL: the log is this machine's alone */
	struct committer *committer;
	struct archiver *archiver;
	struct settler *settler;
	struct history *history;
	struct prover *prover;
	struct ids *ids;
	struct rejected rejected;
	uint64_t since; /* seconds since 1970 */
	uid_t uid;      /* whom the files belong to */
	gid_t gid;
	uid_t daemon_uid;
	char *reducers, *rules_path; /* where the symbolic links point */

	bool threads_hidden; /* of others, in /proc */
	struct reservations reservations;
	struct node *writers; /* events/app for those who may truncate it */

	/* The fuse thread's own. */
	struct nodes nodes; /* references are taken on any thread */
	struct looked_up looked_up;
	struct flocks flocks;
	struct uses uses;
	struct joiners joiners;
	struct event scanner;

	/* The commit thread adds to it. */
	struct guard_log beginning;

	/* Each with a lock of its own; the notices are under that of following. */
	struct follow follow;
	struct notice notice;
	struct ctl ctl;
	struct status_clock status;
	struct mtimes mtimes;
	struct deferred deferred;
	struct posix_locks posix_locks;

	_Atomic uint64_t odd_ts; /* events appended whose time is beyond LIMIT_TS */

	/* Under the lock: the open files of each node, what a file holds (file.h), and the nodes' times.
	 * The lock of following may be taken while it is held, not the other way round. */
	pthread_mutex_t lock;
	uint64_t open_files;
	struct node *left; /* whose page cache is to be dropped (held.h); with references */
};

/* Opens DATA, mends it where needed and starts the threads; signals are blocked in them. 1: another
 * process holds the data, see the diag. */
int must_check mount_open(struct mount **ret, const struct mount_options *options, struct diag *diag);
/* Writes and saves everything, answers all that wait, ends the threads. No request may come in any more. */
void mount_close(struct mount *m);

extern const struct fuse_lowlevel_ops mount_ops; /* userdata: struct mount */
