/* Decompresses frames of the archive, piece by piece, in bounded memory. Where one piece follows the
 * last one in the same frame, it goes on; else it begins the frame anew. Belongs to one thread. */
#pragma once

#include "store/index.h"

struct unpack;

int must_check unpack_new(struct unpack **ret, struct disk *disk);
void unpack_free(struct unpack *u);

/* Fills `out` with the content of the entry's piece. -EBADMSG where the frame is damaged. */
int must_check unpack_piece(struct unpack *u, int fd, const struct index_entry *entry, char *out);

/* Decompresses the next part of the frame in at..at+size into out: *ret_len bytes, which fill it unless
 * the frame has ended (*ret_last). The first call for a frame has inner 0. */
int must_check unpack_next(struct unpack *u, int fd, uint64_t at, uint64_t size, uint64_t inner, char *out,
			   size_t len, size_t *ret_len, bool *ret_last);
