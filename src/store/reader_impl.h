/* What reader.c and seek.c share. Private to them. */
#pragma once

#include <xxhash.h>

#include "store/frames.h"
#include "store/reader.h"

/* A place outside the archive whose number is known. */
struct mark {
	uint64_t off, seq;
};

/* A place at a line's begin, and the greatest time of the lines before it. */
struct time_mark {
	uint64_t off, seq;
	uint64_t latest;
};

struct reader {
	struct disk *disk;
	struct log_files files;
	struct frames frames;
	struct mark *marks; /* in order */
	size_t n_marks, cap_marks;
	struct time_mark *times; /* in order, at least 1 MiB apart */
	size_t n_times, cap_times;
	XXH64_state_t sum;
	uint64_t sum_off; /* history up to here is in sum, from the active log's begin on */
};

/* Where the archive ends and plain files begin. */
static inline const struct log_pos *reader_plain_begin(const struct reader *r)
{
	return r->files.sealed_fd >= 0 ? &r->files.sealed_begin : &r->files.active_begin;
}

/* reader_read() for those who can't go on behind damage: -EBADMSG. */
int must_check reader_read_whole(struct reader *r, uint64_t off, uint64_t limit, void *data, size_t len,
				 size_t *ret_len);
