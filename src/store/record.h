/* The record that stands in a zstd skippable frame behind each frame of our archives, and where a
 * rotation begins and ends. Other readers of zstd skip it. docs/FORMAT.md has the bytes.
 *
 *     [BEGIN] [frame][FRAME] [frame][FRAME] … [END]
 *
 * A record says what stands before it in the archive, so that the last one is enough to know all about
 * the whole, and going from one to the one before builds an index without reading a frame. */
#pragma once

#include "store/disk.h"
#include "store/log.h"

#define RECORD_SIZE 200       /* as it is written */
#define RECORD_SIZE_FIRST 104 /* of version 1, which is read for ever */
#define RECORD_MAGIC 0x184D2A5Eu

enum record_kind {
	RECORD_BEGIN = 'B', /* a rotation begins; until its END it may be undone */
	RECORD_FRAME = 'F', /* of the frame right before it */
	RECORD_END = 'E',   /* all before it is complete, and no longer anywhere else */
};

/* SHA-256 of history in the middle: what is enough to go on. */
struct record_sha {
	unsigned char state[32]; /* after the last whole block of 64 bytes, as eight big-endian words; all 0:
				    not known */
	unsigned char rest[64];  /* the bytes behind it, off % 64 of them; then 0 */
};

struct record {
	enum record_kind kind;
	unsigned version;     /* 1 or 2; what is written is 2 */
	uint64_t at;          /* where the record itself begins in the archive */
	struct log_pos pos;   /* the place in history that the archive has reached here */
	uint64_t frames;      /* how many frames stand before it */
	uint64_t frame_size;  /* FRAME: size of the frame before it, as it lies in the archive */
	uint64_t frame_bytes; /* FRAME: its content: bytes */
	uint64_t frame_lines; /* FRAME: its content: lines */
	uint64_t begin;       /* where the BEGIN of the rotation stands; of its own for BEGIN; else 0 */
	uint64_t latest;      /* the greatest time of the lines before it (latest.h); 0: not known */
	struct record_sha sha;
};

static inline uint64_t record_size(const struct record *rec)
{
	return rec->version == 1 ? RECORD_SIZE_FIRST : RECORD_SIZE;
}

/* Gives its size: that of its version. */
size_t record_write(const struct record *rec, unsigned char out[static RECORD_SIZE]);

/* Are these bytes that record, of either version, but for one flipped bit at most? */
bool record_is_nearly(const struct record *rec, const unsigned char *in, size_t len);

/* False where these bytes at the archive's offset `at` do not begin with a record. */
bool record_read(struct record *ret, const unsigned char *in, size_t len, uint64_t at);

/* The record at `at` of the archive, which must end at `end` or before. 1: there is none. */
int must_check record_load(struct disk *disk, int fd, uint64_t at, uint64_t end, struct record *ret);
/* The record that ends at `end`, and begins at `low` or behind. 1: there is none. */
int must_check record_load_before(struct disk *disk, int fd, uint64_t low, uint64_t end, struct record *ret);
/* The next record at or behind `from`, wherever it stands, that ends at `end` or before. 1: there is none. */
int must_check record_find(struct disk *disk, int fd, uint64_t from, uint64_t end, struct record *ret);
