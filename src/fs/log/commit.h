/* The commit thread: the one writer of the log. Takes all lines that are queued, appends them with one
 * write and one sync, and tells each of those who queued them. It parses nothing but what is to be decided
 * about (decide.h).
 *
 * Threads: commit_queue() from any; `done` comes on the commit thread, with no lock held. */
#pragma once

#include "base/mailbox.h"
#include "fs/log/decide.h"
#include "fs/log/unit.h"
#include "store/eventlog.h"

enum sync_mode {
	SYNC_WRITE, /* a write is answered when its lines are on disk */
	SYNC_CLOSE, /* when they are queued; close and fsync when they are on disk */
	SYNC_NONE,  /* as SYNC_CLOSE, but written is enough */
};

struct cluster;
struct judge;
struct pieces;

/* One request to the commit thread; embedded in what its owner needs to go on. */
struct commit {
	struct mail mail;         /* private */
	bool seal;                /* private */
	struct slice lines;       /* whole stored lines; may be empty: a mere barrier */
	const struct unit *units; /* what they are; NULL: each line is one */
	size_t n_units;
	size_t groups; /* how many of these are groups */
	/* What is appended of it is decided (decide.h), of what is to be `once` or is `judged`; initialized
	 * with its lines. NULL: all of it is. */
	struct verdict *verdict;
	bool once; /* only what has a new id */
	/* answer only when all that was queued up to here is on disk (as far as the mode goes) */
	bool durable;
	bool waits;       /* its program goes on only when it is answered, be it durable or not */
	bool conditional; /* append only if the head is still `expect` (off and hash) */
	struct log_pos expect;
	/* Before it is appended: 0, or the error that it is answered with instead. NULL: 0. On the commit
	 * thread, after all that was queued before has been answered. */
	int (*refusal)(struct commit *c);
	/* The rules are asked about the lines before they are appended: nobody has been told that they are
	 * taken. */
	bool judged;
	/* Its lines, units and groups are still to come, of one that is neither once nor conditional:
	 * pieces_end() says that they are there. NULL: they are. */
	struct pieces *pieces;
	bool heard; /* private: what the rules say of it they have said already */
	/* Does nobody wait for it any more? Asked while it has to wait for the rules, or for other machines.
	 * NULL: somebody does. */
	bool (*given_up)(struct commit *c);
	/* Its program is answered with this now, though what becomes of its lines is not known: `done` comes
	 * still. `why`: for a person. NULL: it stays, whatever it has to wait for. */
	void (*leave)(struct commit *c, int error, const char *why);
	uint64_t aside_ms; /* private: since when it waits for the rules */
	uint64_t since_ms; /* private: since when it waits for other machines */
	/* Why it is not appended, where the error does not say all; NULL: it does. Until `done` is back. */
	const char *why;
	/* error: 0, -ESTALE, -ENOSPC, -EIO, -EROFS, …, or the verdict's; stored: how many bytes of `lines`
	 * are in the log, whole units, or count as if they were; head: behind them. Without an error it may
	 * be less than all where a verdict says so: the rest is to come again. */
	void (*done)(struct commit *c, int error, size_t stored, const struct log_pos *head);
};

struct committer;

struct committer_options {
	enum sync_mode sync;
	uint64_t rotate; /* active bytes that start a rotation; 0: never */
	struct ids *ids; /* for what is to be once; NULL: there are none */
	/* The head has moved: called on the commit thread after each append, once those who wait for it
	 * are answered. */
	void (*moved)(void *arg);
	/* The active log was sealed: it is to be archived. */
	void (*sealed)(void *arg);
	struct judge *judge;      /* NULL: there are no rules; borrowed, and ended with it */
	unsigned judge_wait_ms;   /* for so long an append waits until it can be asked; then it is -EAGAIN */
	struct cluster *cluster;  /* NULL: the log is this machine's alone; borrowed */
	unsigned cluster_wait_ms; /* for so long an append waits for other machines; 0: for ever */
	/* These lines were appended by others: called on the commit thread, before `moved`. */
	void (*joined)(void *arg, struct slice lines);
	/* That it could not be, and when that is tried again: one line. May be NULL. */
	void (*report)(void *arg, const char *text);
	void *arg;
};

/* Since the start. How many runs took as long as each bound says, but longer than the one before; the
 * last: longer than all of them. */
#define COMMIT_BUCKETS 13
extern const unsigned commit_bounds_us[COMMIT_BUCKETS];
struct committer_stats {
	uint64_t took[COMMIT_BUCKETS + 1];
	uint64_t took_ns; /* all of them together */
	uint64_t rotations;
};
/* Any thread. Its numbers may be of moments that lie a commit apart. */
void committer_stats(struct committer *c, struct committer_stats *ret);

int must_check committer_start(struct committer **ret, struct eventlog *log,
			       const struct committer_options *options);
/* Writes what is queued, answers all, ends the thread. */
void committer_stop(struct committer *c);

void commit_queue(struct committer *c, struct commit *item);
/* The lines of one that is queued are whole now. */
void commit_came(struct committer *c, struct commit *item);
/* The rules may have changed: has the judge made ready before somebody needs it. Or other machines have
 * appended something, which is to come into the log. Any thread. */
void commit_nudge(struct committer *c);
/* The same at once: on the commit thread, in a `done`. */
void committer_turn(struct committer *c);
/* Bytes queued or being written. */
size_t committer_backlog(struct committer *c);
/* How many programs wait for theirs: items queued or being written, but for SYNC_NONE. */
unsigned committer_waiting(struct committer *c);
/* Rotation by hand: seals the active log between two commits. `done` gets 0, 1 (nothing to do), or an
 * error. */
void commit_seal(struct committer *c, struct commit *item);
