/* Reads the complete history as one file, by byte offset: archive frames are decompressed (and verified)
 * one at a time into a small cache, sealed and active log are read as they are. What is damaged and what
 * could not be read just now are two things, and are never taken for each other.
 *
 * A reader belongs to one thread. It owns its descriptors. It needs no rights to write, and so serves
 * fold workers as well as the daemon. Memory is bounded by a few frames of a long line each, whatever
 * the archive's size or claims: what is larger is streamed. */
#pragma once

#include "base/diag.h"
#include "store/disk.h"
#include "store/latest.h"
#include "store/log.h"

struct reader;

/* Takes `files`, on failure too. The archive's index is built at the first read that needs it, by
 * hopping headers (or by one decompression where the crate wrote it). */
int must_check reader_new(struct reader **ret, struct disk *disk, struct log_files *files);
void reader_free(struct reader *r);

/* The layout has changed (a rotation): goes on with other files. Takes `files`. What the index knows of
 * the archive is kept; only what was added is looked at. */
int must_check reader_update(struct reader *r, struct log_files *files);

/* Reads up to len bytes from `off`; *ret_len is short only where the piece at `off` ends (a frame, a
 * file) or at `limit` (the head as the caller knows it); 0 at the limit. 1: the archive is damaged at
 * `off`; readable history begins again at *ret_skip. A negative errno, -EIO where a file has become
 * shorter too, says nothing about the log: to be tried again. For those who give up, *ret_skip is where
 * the next frame begins (0: not known). */
int must_check reader_read(struct reader *r, uint64_t off, uint64_t limit, void *data, size_t len,
			   size_t *ret_len, uint64_t *ret_skip);

/* Has history these bytes at `off`, before `limit`? 1: it has. Where it is damaged it has not. */
int must_check reader_has(struct reader *r, uint64_t off, uint64_t limit, struct slice bytes);

/* The offset and number at which the event number `seq`+1 begins, i.e. the place behind `seq` events. By
 * the archive's index and one frame; the hash is filled in too. 1 where the log has fewer. -EBADMSG,
 * here and below, where damage is in the way. */
int must_check reader_seek_seq(struct reader *r, uint64_t seq, uint64_t limit, struct log_pos *ret);
/* The place at the line boundary `off`: its number and hash. 1 where `off` is no line boundary. */
int must_check reader_seek_off(struct reader *r, uint64_t off, uint64_t limit, struct log_pos *ret);

/* The hash of the line that ends at `off`. 1 where none does. */
int must_check reader_hash(struct reader *r, uint64_t off, uint64_t limit, uint64_t *ret);

/* The place (without its hash) before the first line whose time is `after` or more; `limit`, where none is.
 * By a few of the archive's records and one frame. Where those say nothing of times, and in the plain files,
 * it walks, and remembers what it has found. 1: that was far enough for once, call it again. Lines that can't
 * be read have no time. */
int must_check reader_seek_time(struct reader *r, line_time *time_of, uint64_t after, uint64_t limit,
				struct log_pos *ret);
/* The greatest time of the lines before the line boundary `off`, LATEST_NONE at least. */
int must_check reader_latest(struct reader *r, line_time *time_of, uint64_t off, uint64_t *ret);

/* The place `off` where readable history begins again, as reader_read() has told it. 1 where its number
 * is not certain: it is then no higher than the true one, and 0 where there is none at all. */
int must_check reader_behind(struct reader *r, uint64_t off, struct log_pos *ret);

/* The checksum (xxh64, seed 0) over the active log's bytes from its begin to the line boundary `off`;
 * that of no bytes where off is the active log's begin. -ERANGE where off lies before it. Goes on from
 * the last call's place where it can, so asking for ever higher offsets reads each byte once. */
int must_check reader_checksum(struct reader *r, uint64_t off, uint64_t *ret);
/* The same over the sealed file of a rotation that is under way. -ERANGE where there is none that begins
 * at `begin`. */
int must_check reader_checksum_sealed(struct reader *r, uint64_t begin, uint64_t off, uint64_t *ret);
