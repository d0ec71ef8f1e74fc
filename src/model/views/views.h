/* The views of a mounted log, as the daemon sees them: which there are, their states as of now, what is wrong
 * with them. Keeps the fold workers: starts them, tells them of the log's head, finds the culprit when one
 * dies or hangs, starts it again with the rest, saves snapshots. Knows nothing of FUSE.
 *
 * Threads. Any thread may call; calls return at once, but for views_start() and views_stop(). One lock guards
 * the registry; it is not held across a system call, a callback, or a message. Completions come on the views
 * thread or, where the answer is at hand, inside views_want() itself. */
#pragma once

#include "base/diag.h"
#include "base/limits.h"
#include "model/catalog/catalog.h"
#include "model/engine/holes.h"
#include "model/views/rendering.h"
#include "store/eventlog.h"

struct views;

struct views_options {
	const char
	    *worker_path; /* the program that is run as `WORKER_PATH worker` with a socket as descriptor 3 */
	uint64_t reduce_memory;     /* bytes a worker may have; 0: no limit */
	unsigned reduce_timeout_ms; /* of the processor's time, for one event; 0: none */
	unsigned reduce_blocked_ms; /* for one event, in which nothing is done; 0: a default, far longer */
	const struct zone *zone;    /* of reducers; NULL: UTC; borrowed */
	uint64_t log_changed;       /* when the last event came that is there already, in ns since 1970 */
	uint64_t snapshot_bytes;    /* new log after which a snapshot is saved */
	bool quiet;                 /* the workers' standard output and error are nobody's */
	/* One line for a person (a worker died, a snapshot was not usable). Any thread. */
	void (*report)(void *arg, const char *text);
	/* Something about a view has changed (state, error, existence): for followers. Called on the views
	 * thread, without a lock. */
	void (*changed)(void *arg, const char *name);
	/* Has the one who wants something under this key given up already (see views_cancel())? Called under
	 * the lock. NULL: never. */
	bool (*cancelled)(void *arg, const void *key);
	void *arg;
};

/* Reads DATA/reducers and starts the workers. The log, the disk and the descriptors are borrowed. */
int must_check views_start(struct views **ret, struct eventlog *log, struct disk *disk, int data_dirfd,
			   const struct views_options *options, struct diag *diag);
/* Saves what is worth saving (waits a bounded time for it), ends the workers, answers all who wait with
 * -ESHUTDOWN. */
void views_stop(struct views *v);

/* The log's head has moved or the layout has changed: tells the workers. The committer calls it after each
 * commit: one atomic store. A worker that sleeps is woken where somebody waits for the views (`at_once`) or
 * has read one lately; else a few milliseconds later, by the keeper: then nobody waits for it, and what comes
 * meanwhile is folded together. */
void views_head_moved(struct views *v, bool at_once);

/* Before a look-up, open or listing under views/ is answered, every change in DATA/reducers that happened
 * before it has to be known. Where views_are_current() can't say so, which is quick, views_look() calls back
 * when it is known: see catalog.h. */
bool views_are_current(struct views *v, const char *name /* NULL: all */, pid_t asker);
void views_look(struct views *v, struct catalog_wait *w);
bool views_look_cancel(struct views *v, struct catalog_wait *w);
/* The same for a thread that can wait. */
void views_settle(struct views *v, const char *name);

/* To be told from now on when a reducer is new, another one or gone: on the catalog's thread, under a lock
 * that this takes. NULL: not any more. */
void views_listen(struct views *v, void (*defined)(void *arg), void *arg);

/* How a view stands. */
struct view_status {
	char name[LIMIT_NAME + 1];
	const char *kind;          /* constant: "c", "jq" */
	char file[LIMIT_NAME + 8]; /* in DATA/reducers */
	struct log_pos pos;        /* as last heard of */
	uint64_t version;
	bool apart; /* it is being rebuilt: not with the others yet */
	bool
	    alone; /* it has a worker of its own: one that it shared ended, and it may have been the reason */
	bool broken;           /* it can't be read */
	struct diag waits_for; /* what it needs and could not be had yet, one line; empty: nothing */
	struct diag why; /* one line, for NAME.error: names the event's number and offset where there is one.
			  * Also of a view that can be read, but lacks events; else empty */
	struct holes holes;     /* what it lacks */
	uint64_t folded;        /* events folded since the mount */
	uint64_t rate;          /* events a second of the last long fold; 0: none yet */
	uint64_t state_bytes;   /* of the last rendering */
	uint64_t snapshot_time; /* seconds since 1970 of the last snapshot saved or loaded; 0: none */
	uint64_t snapshot_off;
	uint64_t changed; /* when its state became another one, or it broke or came back, in ns since 1970 */
	uint64_t defined; /* when its reducer became what it is */
};
/* 0, or -ENOENT. */
int must_check views_status(struct views *v, const char *name, struct view_status *ret);
/* All of them, sorted by name; *ret is the caller's to free. */
int must_check views_list(struct views *v, struct view_status **ret, size_t *ret_n);

struct definition;
/* A reference to its reducer's file as it is now: 0 or -ENOENT. The receiver's to unref (definition.h). */
int must_check views_definition(struct views *v, const char *name, struct definition **ret);

struct misnamed;
/* Files in DATA/reducers that define no view, for their names (catalog.h). */
void views_misnamed(struct views *v, struct misnamed *ret);

struct views_worker_status {
	pid_t pid;         /* of the main worker; 0 while it is being started again */
	pid_t rebuild_pid; /* 0: there is nothing to rebuild */
	uint64_t restarts; /* of both, after they have died */
	struct diag
	    waits_for; /* why one could not be started or told of the log, and is again; empty: it could */
};
void views_worker_status(struct views *v, struct views_worker_status *ret);

/* Asks for a view as of the log's head at the time of the call (or later). */
enum views_what {
	VIEWS_POSITION, /* just how far it is: *rendering is NULL, cheap however large the state */
	VIEWS_STATE,    /* its rendering */
};
struct views_answer {
	int error; /* 0; -ENOENT: no such view (any more); -EIO: broken; -EINTR: cancelled; -ESHUTDOWN */
	struct log_pos pos;
	uint64_t version; /* of the state, as views_status() has it: may be above the rendering's */
	struct rendering *rendering; /* the receiver's to unref */
};
typedef void views_done(void *arg, const struct views_answer *answer);
/* Who asks. `key` names the request for views_cancel(). */
struct views_request {
	enum views_what what;
	const void *key;
	views_done *done;
	void *arg;
};
/* `done` is called exactly once, perhaps before this returns. */
void views_want(struct views *v, const char *name, enum views_what what, const void *key, views_done *done,
		void *arg);
/* A waiting request is answered with -EINTR (on the keeper thread); one that is being answered already is
 * left alone. One that is not there yet, since another thread is about to ask for it, is none of these: that
 * is what `cancelled` is for. */
void views_cancel(struct views *v, const void *key);

/* `echo rebuild [NAME] > ctl`, `echo snapshot > ctl`: throws the state away and folds from the start; saves
 * all snapshots now. Both only set it going. */
int must_check views_rebuild(struct views *v, const char *name /* NULL: all */);
int must_check views_snapshot(struct views *v);

/* A rotation has come so far that the sealed file will be removed: from now on the active log begins at
 * `active_begin`. Removes the snapshots of views that are not kept, and those that claim to stand at the
 * beginning of the active log but were saved before: other programs would take them for current, whatever
 * they have missed. Waits until that is durable; not on the keeper thread. */
void views_retire_snapshots(struct views *v, uint64_t active_begin);
