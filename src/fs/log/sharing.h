/* The step of a commit that other machines have a say in (fs/cluster): a run is proposed as a batch, and goes
 * into the log when its turn in the order has come; what others have appended before goes in first.
 *
 * A batch that is in the engine is in the log: where there is no room for it, it is waited for.
 *
 * All of it is the commit thread's. */
#pragma once

#include "fs/cluster/cluster.h"
#include "fs/log/run.h"

struct sharing;

struct sharing_options {
	struct cluster *cluster;
	struct eventlog *log;
	/* What others have appended is in the log, and the head has moved. */
	void (*joined)(void *arg, struct slice lines);
	/* Called now and then while it is waited for the others, or for room: who does not wait any more may
	 * leave. `run` is the one that is under way, with those who wait behind it; it may be empty. `why`:
	 * what is known of it. */
	void (*sweep)(void *arg, struct run *run, const char *why);
	void (*report)(void *arg, const char *text);
	void *arg;
};

int must_check sharing_new(struct sharing **ret, const struct sharing_options *options);
void sharing_free(struct sharing *s); /* NULL is fine */

/* Takes in what others have appended. `waiting`: those who wait meanwhile, from this one on; NULL: nobody. */
void sharing_turn(struct sharing *s, struct commit *waiting);
/* Nothing is appended any more: -EROFS; else 0. */
int must_check sharing_check(struct sharing *s);

/* 0: all of the run is in the log. 1: nothing of it, nor will it be, since others were before it: it is to be
 * made anew. Else why it is not; *ret_stored is how much of it is. Without an error that is less than all
 * where the rest has to be decided anew, of a run of one item whose writer comes back with it. */
int must_check sharing_append(struct sharing *s, struct run *run, const struct log_group *groups, bool sync,
			      size_t *ret_stored);
#define SHARING_TELL_US 200000 /* between what the others are told of how much of the log is on disk here */
/* Is there something left of that to be told? sharing_turn() does, a little later. */
bool sharing_has_to_tell(const struct sharing *s);
/* Whatever of the log is not durable is so now. */
void sharing_synced(struct sharing *s);
/* What the last error was about; NULL: it says all. */
const char *sharing_why(const struct sharing *s);
