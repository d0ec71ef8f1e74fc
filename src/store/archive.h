/* Writes a rotation into the archive: BEGIN, frames of whole lines with a record behind each, END
 * (record.h). */
#pragma once

#include "store/disk.h"
#include "store/latest.h"
#include "store/log.h"
#include "store/record.h"

/* The archive as far as it counts. */
struct archive_mark {
	uint64_t size;
	struct log_pos pos;
	uint64_t frames;
	uint64_t latest;       /* the greatest time up to there, as its last record says; 0: not known */
	struct record_sha sha; /* likewise, of all up to there (sha.h) */
};

/* How it is to be written. */
struct archive_manner {
	size_t frame_bytes; /* frames hold about so much, or one longer line */
	/* The greatest time up to the mark, and what tells that of a line, for the records. 0: not known. */
	uint64_t latest;
	line_time *time_of;
	struct record_sha sha; /* up to the mark; the frames' records say it only where it is known */
};

/* Compresses the `src_size` bytes of src_fd behind `mark`, all but the END, and syncs. Moves the mark.
 * Needs about 3 MiB, or as much as the longest line. After a failure the mark is as it was, and there may
 * be anything behind it. */
int must_check archive_write(struct disk *disk, int fd, struct archive_mark *mark, int src_fd,
			     uint64_t src_size, const struct archive_manner *manner);

/* Writes END at the mark, and syncs. */
int must_check archive_end(struct disk *disk, int fd, struct archive_mark *mark);
