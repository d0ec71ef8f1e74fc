/* What is in a frame that has no record: it is decompressed to see, and becomes an entry for each piece
 * of it. */
#pragma once

#include "store/index.h"
#include "store/archive_token.h"

/* Adds the frame's pieces to the index, and moves tail.pos behind them. -EBADMSG: it is damaged; the
 * entries are as they were, and tail.pos is behind what came out of it. */
int must_check foreign_add(struct index *x, struct disk *disk, int fd, const struct archive_token *t);
