/* What the engine has of a log, at one moment. */
#pragma once

#include "cluster/command/talk.h"
#include "cluster/link/batch.h"

struct seen_member {
	char machine[BATCH_MACHINE + 1];
	char where[256]; /* host:path, fit for a terminal */
	uint64_t position, time;
	bool registered; /* else it was forgotten while it was mounted */
	bool mounted;
};

struct seen {
	bool has_head;
	uint64_t head_revision; /* 0: there is none */
	struct batch_head head;
	char config[BATCH_SHA + 1];  /* empty: none yet */
	struct seen_member *members; /* by machine */
	size_t n_members, n_mounted;
	uint64_t n_batches, first; /* where the first of them begins */
	/* The batch that begins at a place that was asked for: what it says is there. An empty sha: none. */
	struct batch_head at;
};

/* `at` is a place of history. False: there is no answer, and it has been said. The caller's to deinit. */
bool seen_get(struct talk *t, uint64_t at, struct seen *ret);
void seen_deinit(struct seen *s);
