/* The outside of zstd frames (RFC 8878): how long the next one is, without decompressing it. */
#pragma once

#include "store/disk.h"

struct zframe {
	uint64_t size; /* in the file */
	bool skippable;
	uint32_t magic; /* of a skippable one */
	bool has_size;  /* says how much content it has: */
	uint64_t content;
	uint64_t content_max; /* no more can be in its blocks, whatever it says */
	bool has_checksum;
};

/* Looks at the frame at `at`, which must end at `end` or before. 1: there is none, or it is not whole.
 * The file must go up to `end`: -EIO where it has become shorter. */
int must_check zframe_read(struct zframe *ret, struct disk *disk, int fd, uint64_t at, uint64_t end);
