/* The history thread: reads events/app and finds places in it for the fuse thread, which never waits for
 * the disk nor decompresses. */
#pragma once

#include "base/mailbox.h"
#include "base/slice.h"
#include "store/eventlog.h"

struct history;

/* One read; embedded in what its owner needs to answer. */
struct history_read {
	struct mail mail; /* private */
	uint64_t off;
	size_t size;
	uint64_t limit; /* nothing from here on; 0: the head */
	/* Of a search for a time, which may be long: does nobody wait for it any more? */
	bool (*given_up)(const struct history_read *read);
	int (*find)(struct history *h, struct history_read *read); /* private; NULL: it is a read */
	uint64_t after;                                            /* private */
	uint64_t seq;
	uint64_t hash;
	/* error: 0 or negative errno; data: short only at the head; valid during the call. On the history
	 * thread. */
	void (*done)(struct history_read *read, int error, struct slice data);
};

int must_check history_start(struct history **ret, struct eventlog *log, struct disk *disk);
/* Answers what is queued and ends the thread. */
void history_stop(struct history *h);

void history_queue(struct history *h, struct history_read *read);
/* Instead of a read: off becomes the place behind the first `seq` events; -ENOENT where the log has fewer. */
void history_queue_seek(struct history *h, struct history_read *read);
/* Instead of a read: hash becomes that of the line that ends at `off`; -ESTALE where none does. */
void history_queue_hash(struct history *h, struct history_read *read);
/* Instead of a read: off and seq become the place before the first event whose time is `after` or more; the
 * head, where there is none. -EINTR where it was given up. */
void history_queue_time(struct history *h, struct history_read *read, uint64_t after);
