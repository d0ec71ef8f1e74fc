/* SHA-256 of history, from its first byte on: a running value that can be stored, in the archive's records
 * (record.h), and gone on with. What has it proves every byte before its place. Any thread. */
#pragma once

#include <nettle/sha2.h>

#include "store/record.h"

#define SHA_TEXT 64 /* digits of a SHA-256 */

/* Of no bytes at all. */
void sha_begin(struct record_sha *ret);
bool sha_is_known(const struct record_sha *sha);
void sha_store(const struct sha256_ctx *ctx, struct record_sha *ret);
/* To go on with at `off`, the place of history that it is of. False: it is not known. */
bool sha_resume(struct sha256_ctx *ret, const struct record_sha *sha, uint64_t off);
/* As sha256sum prints it; the context stays as it is. */
void sha_text(const struct sha256_ctx *ctx, char ret[static SHA_TEXT + 1]);

/* Does the last frame before the record's place lead there, from the state that the record before it has?
 * Where that has none, only the bytes behind the last whole block are looked at. 1: it does not, or can't be
 * read. */
int must_check sha_check(struct disk *disk, int fd, const struct record *rec);

/* The last place in the first `size` bytes of the archive whose state is known and right; the begin of
 * history, where there is none. By records, and one frame. */
int must_check sha_seek(struct disk *disk, int fd, uint64_t size, struct sha256_ctx *ret, uint64_t *ret_off);
