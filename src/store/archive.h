/* Writes a rotation into the archive: BEGIN, frames of whole lines with a record behind each, END (record.h). */
#pragma once

#include "store/disk.h"
#include "store/log.h"

/* The archive as far as it counts. */
struct archive_mark {
	uint64_t size;
	struct log_pos pos;
	uint64_t frames;
};

/* Compresses the `src_size` bytes of src_fd behind `mark`, all but the END, and syncs. Moves the mark. Needs about 2 MiB, however long
 * a line is. Frames hold about frame_bytes, or one longer line. After a failure the mark is as it was, and there may be anything
 * behind it. */
int must_check archive_write(struct disk *disk, int fd, struct archive_mark *mark, int src_fd,
			     uint64_t src_size, size_t frame_bytes);

/* Writes END at the mark, and syncs. */
int must_check archive_end(struct disk *disk, int fd, struct archive_mark *mark);
