/* The record that stands in a zstd skippable frame behind each frame of our archives, and where a rotation begins
 * and ends. Other readers of zstd skip it. docs/FORMAT.md has the bytes.
 *
 *     [BEGIN] [frame][FRAME] [frame][FRAME] … [END]
 *
 * A record says what stands before it in the archive, so that the last one is enough to know all about the whole, and
 * going from one to the one before builds an index without reading a frame. */
#pragma once

#include "store/log.h"

#define RECORD_SIZE 104
#define RECORD_MAGIC 0x184D2A5Eu

enum record_kind {
	RECORD_BEGIN = 'B', /* a rotation begins; until its END it may be undone */
	RECORD_FRAME = 'F', /* of the frame right before it */
	RECORD_END = 'E',   /* all before it is complete, and no longer anywhere else */
};

struct record {
	enum record_kind kind;
	uint64_t at;          /* where the record itself begins in the archive */
	struct log_pos pos;   /* the place in history that the archive has reached here */
	uint64_t frames;      /* how many frames stand before it */
	uint64_t frame_size;  /* FRAME: size of the frame before it, as it lies in the archive */
	uint64_t frame_bytes; /* FRAME: its content: bytes */
	uint64_t frame_lines; /* FRAME: its content: lines */
	uint64_t begin;       /* where the BEGIN of the rotation stands; of its own for BEGIN; else 0 */
};

void record_write(const struct record *rec, unsigned char out[static RECORD_SIZE]);

/* Are these bytes that record, but for one flipped bit at most? */
bool record_is_nearly(const struct record *rec, const unsigned char in[static RECORD_SIZE]);

/* False where these bytes at the archive's offset `at` are no record. */
bool record_read(struct record *ret, const unsigned char in[static RECORD_SIZE], uint64_t at);
