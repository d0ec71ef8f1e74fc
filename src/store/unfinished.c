#include "store/unfinished.h"

#include <errno.h>

#include "store/record.h"
#include "store/unpack.h"

/* So many bits of a sealed file may have flipped: more is taken for something else. */
#define FLIPPED_BITS 1

static void unpack_freep(struct unpack **u)
{
	unpack_free(*u);
}

/* The bits in which they differ; counts no further than beyond FLIPPED_BITS. */
static unsigned count_flipped(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;
	unsigned bits = 0;

	if (memcmp(a, b, len) == 0)
		return 0;
	for (size_t i = 0; i < len && bits <= FLIPPED_BITS; i++)
		bits += (unsigned)__builtin_popcount(x[i] ^ y[i]);
	return bits;
}

/* Is what stands behind the last frame an END, but for a flipped bit? */
static int ends_damaged(struct disk *disk, int fd, uint64_t size, const struct index_tail *tail, bool *ret)
{
	unsigned char is[RECORD_SIZE];

	*ret = false;
	uint64_t len = size - tail->size;
	if (tail->last != LAST_FRAME || len > sizeof(is))
		return 0;
	int r = disk_pread_exact(disk, fd, is, (size_t)len, (off_t)tail->size);
	if (r < 0)
		return r;
	/* As rotate_end() writes it. */
	struct record end = {.kind = RECORD_END,
			     .at = tail->size,
			     .pos = tail->pos,
			     .frames = tail->frames,
			     .latest = tail->latest,
			     .sha = tail->sha};
	*ret = record_is_nearly(&end, is, (size_t)len);
	return 0;
}

/* Adds the bits in which the entry's content and the sealed file's differ. Nothing where it can't be
 * read: what comes out of a frame before its checksum is nothing to go by. `a`, `b`: room for
 * LIMIT_FRAME bytes. */
static int compare(struct disk *disk, struct unpack *unpack, int fd, const struct index_entry *e,
		   int sealed_fd, uint64_t sealed_at, char *a, char *b, unsigned *bits)
{
	struct index_entry piece = *e;
	unsigned found = 0;
	int r = e->size ? 0 : -EBADMSG;

	for (uint64_t done = 0; r == 0 && done < e->bytes; done += piece.bytes) {
		piece.inner = e->inner + done;
		piece.bytes = min((uint64_t)LIMIT_FRAME, e->bytes - done);
		piece.last = e->last && done + piece.bytes == e->bytes;
		r = unpack_piece(unpack, fd, &piece, a);
		if (r < 0)
			break;
		r = disk_pread_all(disk, sealed_fd, b, (size_t)piece.bytes, (off_t)(sealed_at + done));
		if (r < 0)
			return r;
		found += r ? FLIPPED_BITS + 1 : count_flipped(a, b, (size_t)piece.bytes);
		r = 0;
	}
	if (r == 0)
		*bits += found;
	return r == -EBADMSG ? 0 : r;
}

int unfinished_matches(struct disk *disk, int fd, uint64_t size, const struct index_tail *tail, int sealed_fd,
		       bool *ret)
{
	struct index index cleanup(index_deinit) = {.tail = {.size = tail->begin, .pos = tail->begin_pos}};
	struct unpack *unpack cleanup(unpack_freep) = NULL;
	char *a auto_free = malloc(LIMIT_FRAME);
	char *b auto_free = malloc(LIMIT_FRAME);
	unsigned bits = 0;
	bool ended;

	*ret = false;
	if (!a || !b)
		return -ENOMEM;
	int r = ends_damaged(disk, fd, size, tail, &ended);
	if (r < 0 || ended)
		return r;
	r = unpack_new(&unpack, disk);
	if (r == 0)
		r = index_extend(&index, disk, fd, size);
	for (size_t i = 0; i < index.n && r == 0 && bits <= FLIPPED_BITS; i++) {
		const struct index_entry *e = &index.entries[i];
		r = compare(disk, unpack, fd, e, sealed_fd, e->off - tail->begin_pos.off, a, b, &bits);
	}
	*ret = bits <= FLIPPED_BITS;
	return r;
}
