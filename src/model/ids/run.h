/* The ids of a stretch of history in a file of its own, DATA/ids/run.NN: sorted by their prints, in blocks
 * that each have a checksum. A cache: it is never synced, what a crash has left of it is recognised, and
 * whoever finds that it does not hold makes it again from the log.
 *
 * In memory there is the first print of each block, and a filter that knows most of what is not there: so
 * most look-ups that find nothing read nothing, and the others one block. 13 bits an id.
 *
 *     header   "eventfold ids 1\n", n, begin, end (off, seq, hash each), lacks, checksum; 4096 bytes
 *     blocks   255 entries of print and offset, little-endian, and a checksum; 4096 bytes each
 *
 * A run never changes. References are taken and given back on any thread, and so are look-ups. */
#pragma once

#include "model/ids/table.h"
#include "store/disk.h"

#define IDS_SLOTS 32 /* files that there can be */

struct ids_run {
	_Atomic unsigned refs;
	struct disk *disk;
	int fd;
	unsigned slot; /* the NN of its name */
	struct log_pos begin, end;
	uint64_t lacks; /* as that of a table */
	uint64_t n;
	uint64_t seed;    /* of the blocks' checksums */
	uint64_t *firsts; /* of each block */
	uint64_t *filter;
	size_t blocks, words;
};

/* Gives the next entry in order; 1: there is none any more. */
typedef int ids_source(void *arg, struct ids_entry *ret);

/* What a run is to say of itself. */
struct ids_span {
	struct log_pos begin, end;
	uint64_t lacks;
	uint64_t n;
};

/* Writes a run of what the source gives, `span->n` entries, into the slot's file, over what is there. */
int must_check ids_run_write(struct ids_run **ret, struct disk *disk, int dirfd, unsigned slot,
			     const struct ids_span *span, ids_source *source, void *arg);
/* Of two, one behind the other, one. -EBADMSG: one of them does not hold. */
int must_check ids_run_merge(struct ids_run **ret, int dirfd, unsigned slot, struct ids_run *a,
			     struct ids_run *b);
/* Reads the slot's file through. 1: there is none, or it does not hold. */
int must_check ids_run_open(struct ids_run **ret, struct disk *disk, int dirfd, unsigned slot);
/* Removes the slot's file, if there is one. */
void ids_run_remove(struct disk *disk, int dirfd, unsigned slot);

struct ids_run *ids_run_ref(struct ids_run *run);
void ids_run_unref(struct ids_run *run);

/* Adds where events may be whose id has this print. -EBADMSG: the file does not hold any more. */
int must_check ids_run_find(const struct ids_run *run, uint64_t print, struct ids_places *ret);
/* The entry with this number, by which it can be tried. */
int must_check ids_run_entry(const struct ids_run *run, uint64_t number, struct ids_entry *ret);
/* The memory that it takes. */
size_t ids_run_bytes(const struct ids_run *run);
