/* The archiver thread: compresses a sealed log into the archive, beside everything else. */
#pragma once

#include "base/mailbox.h"
#include "store/eventlog.h"

struct archiver;

struct archiver_options {
	void (*report)(void *arg, const char *text); /* a failure, one line */
	/* A sealed file is about to go: what says something about offsets in it is to be taken back now,
	 * durably. The active log begins at `active_begin` of history. On the archiver thread. */
	void (*retire)(void *arg, uint64_t active_begin);
	void (*done)(void *arg); /* the layout may have changed. On the archiver thread */
	void *arg;
};

int must_check archiver_start(struct archiver **ret, struct eventlog *log,
			      const struct archiver_options *options);
/* Finishes what is under way and ends the thread. */
void archiver_stop(struct archiver *a);
/* There may be a sealed file. Any thread. */
void archiver_kick(struct archiver *a);

/* Waits for a sealed file to be in the archive; embedded in what its owner needs to go on. */
struct archiver_wait {
	struct mail mail; /* private */
	/* 0 or a negative errno. On the archiver thread. */
	void (*done)(struct archiver_wait *wait, int error);
};
void archiver_wait(struct archiver *a, struct archiver_wait *wait);
