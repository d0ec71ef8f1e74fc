/* The prover thread: the SHA-256 of the log from its first byte to its head, which proves all of it.
 *
 *     prover_want(p, &wait)    it goes on to the head as it is now; then wait.done
 *
 * It begins at the last place that the archive's records know (sha.h), so no history is read; where they know
 * none, as in an archive of an earlier version, all of it is read once, and the archive gets to know it.
 * Nothing is done before somebody asks, and from then on the thread follows the log by itself where it lags
 * far behind. An append never waits for it.
 *
 * Threads: any but for what is said; `done` comes on the thread itself. */
#pragma once

#include "base/mailbox.h"
#include "store/eventlog.h"
#include "store/sha.h"

struct prover;

struct prover_options {
	/* The archive's end has something to learn (eventlog_note_sha()). On the prover thread. */
	void (*noted)(void *arg);
	void *arg;
};

int must_check prover_start(struct prover **ret, struct eventlog *log, struct disk *disk,
			    const struct prover_options *options);
/* Nobody asks any more. Those who still wait are told -ESHUTDOWN. */
void prover_stop(struct prover *p);

/* A head of the log, and what proves it. */
struct proof {
	struct log_pos head;
	char sha[SHA_TEXT + 1];
};

/* Embedded in what its owner needs to go on. */
struct prover_wait {
	struct mail mail;         /* private */
	struct prover_wait *next; /* private */
	/* Does nobody wait any more? Asked now and then. */
	bool (*given_up)(const struct prover_wait *wait);
	/* 0: it is of the head as it was when this was asked, or a later one; -EINTR: given up; -EIO: a part
	 * of history is damaged; else why it could not be read. */
	void (*done)(struct prover_wait *wait, int error, const struct proof *proof);
};
void prover_want(struct prover *p, struct prover_wait *wait);

/* The head has moved. Cheap. */
void prover_head_moved(struct prover *p);

enum prover_stage { PROVER_UNUSED, PROVER_READING, PROVER_READY };
struct prover_stats {
	enum prover_stage stage;
	uint64_t off; /* up to here it is known, */
	int error;    /* and why it is no further; 0: no reason */
};
void prover_stats(struct prover *p, struct prover_stats *ret);
