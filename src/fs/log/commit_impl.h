/* What the files of the commit thread share. Private to them; all of it is that thread's but for what says
 * otherwise. */
#pragma once

#include <stdatomic.h>

#include "fs/log/gather.h"
#include "fs/log/rulings.h"
#include "fs/log/run.h"
#include "fs/log/sharing.h"

struct committer {
	struct eventlog *log;
	struct committer_options options;
	struct mailbox box;
	_Atomic size_t backlog;   /* bytes queued and in the commit thread's hands */
	_Atomic unsigned waiting; /* of the same, items that somebody waits for */
	_Atomic uint64_t took[COMMIT_BUCKETS + 1], took_ns, rotations;

	struct commit nudge; /* queued while is_nudged */
	_Atomic bool is_nudged;

	/* The commit thread's own. */
	struct rulings *rulings; /* NULL: there are no rules */
	struct sharing *sharing; /* NULL: no other machine has a say */
	struct gather gather;
	struct runs runs;
	bool unsynced;            /* something was appended without a sync */
	unsigned rotate_failures; /* in a row; */
	uint64_t rotate_again_ms; /* then it is not tried before this time */
};

/* One that has not come into a run. */
void committer_answer_alone(struct committer *c, struct commit *item, int error);
/* One line for a person; any thread. */
void committer_report(void *committer, const char *text);

/* commit_rotate.c. As eventlog_seal(). */
int must_check committer_seal(struct committer *c);
void committer_answer_seal(struct committer *c, struct commit *item);
void committer_rotate_if_due(struct committer *c);

/* commit_share.c: other machines have a say. */
int must_check committer_share(struct committer *c);
