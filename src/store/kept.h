/* What stands in app.jsonl.journal.N: events that were promised, while another program changed the log
 * before they were put back (rejoin.h); and in app.jsonl.proposed (proposed.h) of a log that is not shared
 * any more. It is for a person to decide about them. */
#pragma once

#include "store/eventlog.h"

struct kept {
	unsigned files;
	uint64_t events, bytes; /* that the log does not have */
};

/* With the log open for writing and `decides` among its options: appends what is missing in it behind
 * its end, durably, and removes the files. If that is interrupted at any step, fails, and is done again, each
 * is there once: the log that is opened next has what was under way. *ret says what was missing. */
int must_check kept_append(struct eventlog *log, struct disk *disk, int dirfd, struct kept *ret);
/* Only removes the files. */
int must_check kept_drop(struct eventlog *log, struct disk *disk, int dirfd, struct kept *ret);
