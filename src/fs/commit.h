/* The commit thread: the one writer of the log. Takes all lines that are queued, appends them with one write and one sync,
 * and tells each of those who queued them. It parses nothing.
 *
 * Threads: commit_queue() from any; `done` comes on the commit thread, with no lock held. */
#pragma once

#include "store/eventlog.h"

enum sync_mode {
	SYNC_WRITE, /* a write is answered when its lines are on disk */
	SYNC_CLOSE, /* when they are queued; close and fsync when they are on disk */
	SYNC_NONE,  /* as SYNC_CLOSE, but written is enough */
};

/* One request to the commit thread; embedded in what its owner needs to go on. */
struct commit {
	struct commit *next; /* private */
	struct slice lines;  /* whole stored lines; may be empty: a mere barrier */
	/* answer only when all that was queued up to here is on disk (as far as the mode goes) */
	bool durable;
	bool conditional; /* append only if the head is still `expect` (off and hash) */
	struct log_pos expect;
	/* error: 0, -ESTALE, -ENOSPC, -EIO, -EROFS, …; stored: how many bytes of `lines` are in the log, whole lines;
	 * head: behind them. */
	void (*done)(struct commit *c, int error, size_t stored, const struct log_pos *head);
};

struct committer;

struct committer_options {
	enum sync_mode sync;
	uint64_t rotate; /* active bytes that start a rotation; 0: never */
	/* The head has moved: called on the commit thread after each append, once those who wait for it are answered. */
	void (*moved)(void *arg);
	/* The active log was sealed: eventlog_archive() is due. */
	void (*sealed)(void *arg);
	/* That it could not be, and when that is tried again: one line. May be NULL. */
	void (*report)(void *arg, const char *text);
	void *arg;
};

int must_check committer_start(struct committer **ret, struct eventlog *log,
			       const struct committer_options *options);
/* Writes what is queued, answers all, ends the thread. */
void committer_stop(struct committer *c);

void commit_queue(struct committer *c, struct commit *item);
/* Bytes queued or being written. */
size_t committer_backlog(struct committer *c);
/* Items queued or being written. */
unsigned committer_waiting(struct committer *c);
/* Rotation by hand: seals the active log between two commits. `done` gets 0, 1 (nothing to do), or an error. */
void commit_seal(struct committer *c, struct commit *item);
