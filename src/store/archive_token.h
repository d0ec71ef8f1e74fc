/* What stands at one place of an archive: read from its outside, without decompressing a frame, and
 * without memory of what stood before. index.c makes an index of it. Any thread. */
#pragma once

#include "store/record.h"
#include "store/zframe.h"

enum archive_token_kind {
	TOKEN_FRAME,   /* a frame of ours, with its record behind it */
	TOKEN_FOREIGN, /* a frame without a record: another program's, or one of ours that is damaged */
	TOKEN_BEGIN,
	TOKEN_END,
	TOKEN_SKIP, /* a skippable frame that says nothing: another program's, or a FRAME without its frame */
	TOKEN_BROKEN, /* a record that is damaged */
	TOKEN_HOLE,   /* nothing whose size can be known; `rec` is the next record behind it */
};

struct archive_token {
	enum archive_token_kind kind;
	uint64_t at, end;    /* in the archive; the end includes the record */
	struct record rec;   /* FRAME, BEGIN, END, HOLE */
	struct zframe frame; /* FOREIGN */
	/* FOREIGN: another program has made it. That is not taken from one flipped bit. */
	bool made_elsewhere;
};

/* Looks at `at`, no further than `end`. `begin` is the record that a BEGIN would be here: one bit of it
 * may have flipped. 1: nothing more is whole from here on. -EIO where the file has become shorter than
 * `end`. */
int must_check archive_token_read(struct archive_token *ret, struct disk *disk, int fd, uint64_t at,
				  uint64_t end, const struct record *begin);
