/* The archive as bytes of history: its index, and a small cache of decompressed frames. Belongs to one
 * thread; borrows the disk and the descriptor. Memory is bounded by a few frames of a long line each,
 * whatever the archive's size or claims: what is larger is decompressed in pieces. */
#pragma once

#include "store/index.h"
#include "store/unpack.h"

/* A decompressed piece. */
struct slot {
	char *data;
	size_t cap;
	uint64_t off, bytes; /* of history; bytes 0: empty */
	uint64_t used;       /* when, by the clock */
};

struct frames {
	struct disk *disk;
	int fd;        /* -1: there is no archive */
	uint64_t size; /* what counts of it */
	struct index index;
	uint64_t indexed;      /* it has been looked at up to here, whatever was found there */
	struct unpack *unpack; /* NULL until needed */
	struct slot cache[3];
	uint64_t clock;
};

void frames_init(struct frames *f, struct disk *disk, int fd, uint64_t size);
void frames_deinit(struct frames *f);
/* Goes on with another descriptor of the same archive, or one that has grown. */
void frames_update(struct frames *f, int fd, uint64_t size);

/* Builds the index as far as it is not there yet. */
int must_check frames_index(struct frames *f);

/* The content of an entry that need not be in the index, of no more than a long line: *ret is the caller's,
 * to free(). -EBADMSG where it is damaged, or larger. */
int must_check frames_load(struct frames *f, const struct index_entry *e, char **ret);

/* As reader_read(), within the archive. 1 with *ret_skip as it was: nothing is known of what is at
 * `off`, nor behind it. */
int must_check frames_read(struct frames *f, uint64_t off, void *data, size_t len, size_t *ret_len,
			   uint64_t *ret_skip);
