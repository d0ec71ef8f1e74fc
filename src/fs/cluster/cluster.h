/* A log that several machines share: the daemon's side of the agent (src/cluster), a process of its own that
 * knows the engine. What the machines agree on is one order of batches; this has them as they come, and
 * brings the daemon's own before the others.
 *
 *     commit thread                    cluster thread                  agent
 *     cluster_propose()        ---     PROPOSE                 --->    one transaction
 *     cluster_next()           <---    MINE, or BATCH … MOVED  ---
 *     … it is appended …
 *     cluster_appended()       ---     APPENDED                --->
 *
 * An agent that dies is started again, and told what was proposed, as if it had not been: it finds out what
 * has become of it.
 *
 * Threads: each part says whose it is. */
#pragma once

#include "base/mailbox.h"
#include "cluster/link/args.h"
#include "cluster/link/batch.h"
#include "store/eventlog.h"

struct cluster;

struct cluster_start {
	const struct cluster_options *options; /* borrowed */
	const char *data;                      /* DATA's absolute path */
	const char *agent_path;                /* the agent's program */
	bool quiet;                            /* its standard output and error are nobody's */
	/* Something has come for the commit thread. Under a lock that none of the calls below may wait for;
	 * not called any more once it ends. */
	void (*arrived)(void *arg);
	/* What cluster_status() or cluster_members() say is another. Any thread. */
	void (*changed)(void *arg);
	void (*report)(void *arg, const char *text); /* one line, any thread */
	void *arg;
};

/* Nothing is waited for: neither the engine nor the history, which the thread may have to read first. It
 * begins with the first cluster_set_config(). */
int must_check cluster_start(struct cluster **ret, struct eventlog *log, struct disk *disk,
			     const struct cluster_start *start, struct diag *diag);
/* Nobody appends any more once what is under way has ended: who waits gets a few seconds. Any thread. */
void cluster_end(struct cluster *c);
void cluster_free(struct cluster *c); /* NULL is fine; the commit thread is gone */

/* Commit thread. */

/* False: the time has come, and the history has not been gone through yet, from which all else begins. */
bool must_check cluster_has_begun(struct cluster *c, uint64_t until_us);

enum cluster_news {
	CLUSTER_BATCH,   /* the next in the order, of another machine or another time */
	CLUSTER_MINE,    /* the proposal is the next in the order */
	CLUSTER_MOVED,   /* it is not in it, nor will be: others were before it */
	CLUSTER_REFUSED, /* the same, and there is no use in trying again: error, why */
	CLUSTER_OVER,    /* nothing is appended any more: error, why. Comes again and again */
};
struct cluster_arrival {
	enum cluster_news news;
	struct cluster_batch batch;
	int error;
	char why[256];
	char *text; /* what the batch points into */
};
void cluster_arrival_deinit(struct cluster_arrival *a);
/* 1: it is there; 0: the time has come (clock_us(), MAILBOX_NOW). */
int must_check cluster_next(struct cluster *c, uint64_t until_us, struct cluster_arrival *ret);

/* Whole lines, BATCH_LINES at most, of which some belong together. 0, or -ENOMEM. Then nothing else is
 * proposed until it is known what has become of it. */
int must_check cluster_propose(struct cluster *c, struct slice lines, const struct log_group *groups,
			       size_t n);
/* What was proposed last; until the next one. */
struct slice cluster_proposed(const struct cluster *c);
/* Does the batch lead on from the log's head? *ret_skip: how much of its lines is in the log already, which
 * is seldom more than nothing. -EBADMSG: it does not, and nothing more is appended: cluster_fail() was
 * called. */
int must_check cluster_check(struct cluster *c, const struct cluster_batch *b, size_t *ret_skip);
/* What has come up to now is in the log, up to `off`, and on disk: nobody needs to keep it for this machine.
 */
void cluster_appended(struct cluster *c, uint64_t off);
/* Sleeps. False: it is over, or ends. */
bool cluster_pause(struct cluster *c, uint64_t until_us);
/* From now on nothing is appended, and the reason is this. */
void cluster_fail(struct cluster *c, const char *why);
/* What is next in the order can't be appended for the moment, and why; NULL: it can again. */
void cluster_hold(struct cluster *c, const char *why);

/* Any thread. */

/* What decides about an append here, as a hash of 64 digits, is another now. Copied. */
void cluster_set_config(struct cluster *c, const char *config);

enum cluster_stage {
	CLUSTER_JOINING, /* it is found out how the engine's order goes on here */
	CLUSTER_READY,
	CLUSTER_AWAY,    /* a majority of the engine does not answer: appends wait */
	CLUSTER_FULL,    /* the engine has no room: appends wait */
	CLUSTER_DIFFERS, /* rules and the like are not what they are for the others: appends are refused */
	CLUSTER_FAILED,  /* nothing is appended until it is mounted anew */
};
struct cluster_status {
	enum cluster_stage stage;
	char why[256];    /* empty: there is nothing to be said */
	char engine[256]; /* the member that is spoken to; empty: none */
	char machine[BATCH_MACHINE + 1];
	struct batch_head head; /* of the engine, as it was seen last; an empty sha: never */
	uint64_t db_bytes, window_bytes;
	uint64_t batches_in, batches_out, moved; /* since the start: of others, own, and tried in vain */
	pid_t agent;                             /* 0: it does not run */
};
void cluster_status(struct cluster *c, struct cluster_status *ret);

struct cluster_member {
	char machine[BATCH_MACHINE + 1];
	char *host, *path;
	uint64_t position, time; /* bytes of history it has; seconds since 1970, when it said so */
	bool alive;              /* its daemon runs, and reaches the engine */
};
/* As of a moment ago, sorted by machine; the caller's, for cluster_members_free(). */
int must_check cluster_members(struct cluster *c, struct cluster_member **ret, size_t *ret_n);
void cluster_members_free(struct cluster_member *list, size_t n);

/* A command to the agent; embedded in what its owner needs to go on. */
struct cluster_ask {
	struct cluster_ask *next; /* private */
	uint64_t id;              /* private */
	const char *machine; /* forget this one; NULL: the others are to decide as this machine does. Until
				it is asked */
	/* On the cluster thread; `why` may be NULL. */
	void (*done)(struct cluster_ask *ask, int error, const char *why);
};
void cluster_ask(struct cluster *c, struct cluster_ask *ask);
/* Nobody waits for it any more. False: `done` has been called, or is being called. */
bool cluster_ask_cancel(struct cluster *c, struct cluster_ask *ask);
