/* The history thread: reads events/app and finds places in it for the fuse thread, which never waits for the disk nor
 * decompresses. */
#pragma once

#include "base/slice.h"
#include "store/eventlog.h"

/* One read; embedded in what its owner needs to answer. */
struct history_read {
	struct history_read *next; /* private */
	uint64_t off;
	size_t size;
	uint64_t limit; /* nothing from here on; 0: the head */
	bool seek;      /* private */
	uint64_t seq;   /* of a seek */
	/* error: 0 or negative errno; data: short only at the head; valid during the call. On the history thread. */
	void (*done)(struct history_read *read, int error, struct slice data);
};

struct history;

int must_check history_start(struct history **ret, struct eventlog *log, struct disk *disk);
/* Answers what is queued and ends the thread. */
void history_stop(struct history *h);

void history_queue(struct history *h, struct history_read *read);
/* Instead of a read: off becomes the place behind the first `seq` events; -ENOENT where the log has fewer. */
void history_queue_seek(struct history *h, struct history_read *read);
