#include "store/sha.h"

#include <endian.h>
#include <errno.h>

#include "store/unpack.h"

#define CHUNK_BYTES (128u << 10)

_Static_assert(sizeof((struct sha256_ctx){0}.state) == sizeof((struct record_sha){0}.state),
	       "a record has room for the state");
_Static_assert(sizeof((struct sha256_ctx){0}.block) == sizeof((struct record_sha){0}.rest),
	       "and for the rest");

void sha_begin(struct record_sha *ret)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha_store(&ctx, ret);
}

bool sha_is_known(const struct record_sha *sha)
{
	static const unsigned char none[sizeof(sha->state)];

	return memcmp(sha->state, none, sizeof(none)) != 0;
}

void sha_store(const struct sha256_ctx *ctx, struct record_sha *ret)
{
	*ret = (struct record_sha){0};
	for (size_t i = 0; i < countof(ctx->state); i++) {
		uint32_t word = htobe32(ctx->state[i]);
		memcpy(ret->state + 4 * i, &word, sizeof(word));
	}
	memcpy(ret->rest, ctx->block, ctx->index);
}

bool sha_resume(struct sha256_ctx *ret, const struct record_sha *sha, uint64_t off)
{
	sha256_init(ret);
	if (off == 0)
		return true;
	if (!sha_is_known(sha))
		return false;
	for (size_t i = 0; i < countof(ret->state); i++) {
		uint32_t word;
		memcpy(&word, sha->state + 4 * i, sizeof(word));
		ret->state[i] = be32toh(word);
	}
	ret->count = off / sizeof(ret->block);
	ret->index = off % sizeof(ret->block);
	memcpy(ret->block, sha->rest, ret->index);
	return true;
}

void sha_text(const struct sha256_ctx *ctx, char ret[static SHA_TEXT + 1])
{
	struct sha256_ctx copy = *ctx;
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(&copy, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		ret[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		ret[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	ret[SHA_TEXT] = '\0';
}

/* The whole frame of a record. -EBADMSG: it is damaged. */
static int hash_frame(struct disk *disk, int fd, const struct record *rec, struct sha256_ctx *sha)
{
	char *data auto_free = malloc(CHUNK_BYTES);
	struct unpack *unpack = NULL;
	bool last = false;
	size_t len;

	int r = data ? unpack_new(&unpack, disk) : -ENOMEM;
	for (uint64_t at = 0; r == 0 && !last; at += len) {
		r = unpack_next(unpack, fd, rec->at - rec->frame_size, rec->frame_size, at, data, CHUNK_BYTES,
				&len, &last);
		if (r == 0)
			sha256_update(sha, len, (const uint8_t *)data);
	}
	unpack_free(unpack);
	return r;
}

/* The record of the last frame before rec, or rec itself, and the one before that frame. 1: what stands there
 * is another program's. */
static int find_frame(struct disk *disk, int fd, const struct record *rec, struct record *ret_frame,
		      struct record *ret_before)
{
	int r = 0;

	*ret_frame = *rec;
	while (r == 0 && ret_frame->kind != RECORD_FRAME)
		r = record_load_before(disk, fd, 0, ret_frame->at, ret_frame);
	if (r == 0)
		r = record_load_before(disk, fd, 0, ret_frame->at - ret_frame->frame_size, ret_before);
	return r;
}

int sha_check(struct disk *disk, int fd, const struct record *rec)
{
	struct record frame, before;
	struct record_sha found;
	struct sha256_ctx sha;

	int r = find_frame(disk, fd, rec, &frame, &before);
	if (r != 0)
		return min(r, 0);
	if (frame.pos.off != rec->pos.off || before.pos.off + frame.frame_bytes != rec->pos.off)
		return 1;
	bool whole = sha_resume(&sha, &before.sha, before.pos.off);
	if (!whole) {
		sha.count = before.pos.off / sizeof(sha.block);
		sha.index = before.pos.off % sizeof(sha.block);
	}
	r = hash_frame(disk, fd, &frame, &sha);
	if (r < 0)
		return r == -EBADMSG ? 1 : r;
	sha_store(&sha, &found);
	if (whole)
		return memcmp(&found, &rec->sha, sizeof(found)) != 0;
	/* Of a shorter one not all of the rest is there. */
	return frame.frame_bytes >= sizeof(found.rest) &&
	       memcmp(found.rest, rec->sha.rest, sizeof(found.rest)) != 0;
}

int sha_seek(struct disk *disk, int fd, uint64_t size, struct sha256_ctx *ret, uint64_t *ret_off)
{
	struct record rec;
	int r = 0;

	sha256_init(ret);
	*ret_off = 0;
	for (uint64_t end = size; end > 0; end = rec.at - rec.frame_size) {
		r = record_load_before(disk, fd, 0, end, &rec);
		if (r != 0)
			return min(r, 0);
		if (sha_is_known(&rec.sha))
			break;
		if (rec.at == rec.frame_size)
			return 0;
	}
	if (size == 0)
		return 0;
	r = sha_check(disk, fd, &rec);
	if (r == 0 && sha_resume(ret, &rec.sha, rec.pos.off))
		*ret_off = rec.pos.off;
	return min(r, 0);
}
