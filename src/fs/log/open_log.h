/* An open file of events/app, as those have it who write through it and close copies of its descriptor:
 * whose its writer is now, who waits for that, what it still has to tell, and what it expects of the log's
 * head.
 *
 * The writer is in one place at a time:
 *
 *     stage           a write                       a close                       a cut OPEN_LOG_HERE   is
 *     looked at; may lend it     ends the line at once         is refused, and every write after it
 *     OPEN_LOG_LENT   is refused: the kernel        waits for its turn            the same
 *                     sends one at a time
 *
 * Lent means that a write is with the commit thread, and the writer with it. That gives it back when it
 * has dealt with the write and then ended the line for each close that has come meanwhile, in their order.
 *
 * Threads: each verb says whose it is; those of whoever has the writer are the fuse thread's here, the
 * commit thread's while it is lent. No lock of another's is needed. */
#pragma once

#include <pthread.h>

#include "fs/log/opener.h"
#include "fs/log/writer.h"
#include "store/log.h"

enum open_log_stage { OPEN_LOG_HERE, OPEN_LOG_LENT };

/* A close that may have to wait for its turn; embedded in what its owner needs to go on. */
struct open_log_close {
	struct open_log_close *next; /* private */
};

struct open_log {
	struct opener opener; /* whoever has the writer */
	pid_t wrote;          /* the last thread that did; the fuse thread's */
	bool conditional;     /* events/app@OFFSET:HASH: it has an expectation */
	bool once;            /* events/app@once: of ids that are new */

	/* Under the lock:
	 *   1. There are closes only while the writer is lent.
	 *   2. The writer is whoever's has it; but its guard may be told of a cut at any time. */
	pthread_mutex_t lock;
	enum open_log_stage stage;
	struct open_log_close *closes;
	struct writer writer;
	int owed; /* lines that were acknowledged as queued could not be written: for the next call */
	/* 3. Of what is queued nothing goes into the log behind a gap: from the first that could not be
	 * written on, all is refused that is queued before its program can know. */
	uint64_t queued, refused; /* numbers of what was queued last, and of what is refused at most */
	int refusal;
	struct log_pos expect;
};

void open_log_init(struct open_log *o, pid_t opener);
/* It is not lent. */
void open_log_deinit(struct open_log *o);

/* Fuse thread. 0: a write may be looked at; else the error that it gets: what is owed, or -EBUSY. */
int must_check open_log_may_write(struct open_log *o);
/* Fuse thread: the writer goes with a write to the commit thread. */
void open_log_lend(struct open_log *o);
/* Fuse thread. True: the close waits for its turn; false: the writer is here. */
bool must_check open_log_must_wait(struct open_log *o, struct open_log_close *close);
/* Commit thread: the next close whose turn it is. NULL: there is none, and the writer is back. */
struct open_log_close *open_log_give_back(struct open_log *o);

/* Whoever has the writer; see writer.h. */
int must_check open_log_written(struct open_log *o, struct batch *b, size_t written);
/* The partial line as a batch, and out of the writer if it is a whole event. 0, or a negative errno: what
 * is wrong with it; -EPERM: it is refused for good, and b->bad says why. */
int must_check open_log_take_partial(struct open_log *o, const struct writer_rules *rules, struct event *ev,
				     struct batch *b);
/* A cut is refused: nothing may be written any more. Fuse thread, whoever has the writer. True: it is the
 * first. */
bool open_log_cut(struct open_log *o);

/* Fuse thread, or whoever has the writer: the number of something with lines that is about to be queued. */
uint64_t open_log_number(struct open_log *o);
/* Commit thread. 0, or the error of one before, which this one, queued before that was known, shares. */
int must_check open_log_refusal(struct open_log *o, uint64_t number);

/* Whoever has the writer: the line is refused for good, and its program is told; what of it came before goes.
 */
void open_log_forget_partial(struct open_log *o);

/* Any thread. Number `number` could not be written. */
void open_log_owe(struct open_log *o, uint64_t number, int error);
int open_log_take_owed(struct open_log *o);
void open_log_expect(struct open_log *o, const struct log_pos *head);
struct log_pos open_log_expected(struct open_log *o);
