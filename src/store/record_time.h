/* The frame of a time, by a few of the archive's records: without an index, which costs a read for each frame
 * there is. Any thread. */
#pragma once

#include "store/record.h"

enum record_time {
	RECORD_TIME_FRAME,  /* *ret is of the frame with the first line whose time is `after` or more */
	RECORD_TIME_BEHIND, /* all of the archive comes before; *ret is its last record */
	RECORD_TIME_UNKNOWN /* the records that would have to say it don't */
};

/* In the first `size` bytes of the archive. One of these, or a negative errno. */
int must_check record_time_find(struct disk *disk, int fd, uint64_t size, uint64_t after, struct record *ret);
