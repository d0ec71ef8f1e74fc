/* A reader that follows a log which is open for writing: it goes on with the other files after a
 * rotation. Belongs to one thread; borrows the log and the disk.
 *
 *     head = eventlog_head(log);       first: what lies below it is in the files of a later look
 *     live_reader_refresh(&live);      before each use
 *     … reader_read(live.reader, off, head.off, …) */
#pragma once

#include "store/eventlog.h"
#include "store/reader.h"

struct live_reader {
	struct eventlog *log;
	struct disk *disk;
	struct reader *reader; /* NULL until the first refresh has succeeded */
	uint64_t generation;   /* private */
};

void live_reader_init(struct live_reader *l, struct eventlog *log, struct disk *disk);
void live_reader_deinit(struct live_reader *l);

/* 0 or a negative errno: then the reader is as it was. */
int must_check live_reader_refresh(struct live_reader *l);
