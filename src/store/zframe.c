#include "store/zframe.h"

#include <errno.h>
#include <string.h>

#include "base/le.h"

#define MAGIC 0xFD2FB528u
#define SKIPPABLE 0x184D2A50u /* to 5F */
#define HEADER_MAX 18
#define BLOCK_MAX (128u << 10)

enum { BLOCK_RAW, BLOCK_RLE, BLOCK_COMPRESSED, BLOCK_RESERVED };

static uint64_t get_bytes(const unsigned char *in, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)in[i] << (8 * i);
	return value;
}

/* Reads the header; the size of it, or 0 where it is not whole. */
static size_t read_header(struct zframe *f, const unsigned char *in, size_t len)
{
	static const unsigned char dict_sizes[4] = {0, 1, 2, 4};

	if (len < 5)
		return 0;
	unsigned descriptor = in[4];
	bool single = descriptor & 0x20;
	unsigned size_kind = descriptor >> 6;
	size_t size_len = size_kind ? (size_t)1 << size_kind : single;
	size_t at = 5 + (single ? 0 : 1) + dict_sizes[descriptor & 3];

	if (at + size_len > len)
		return 0;
	f->has_checksum = descriptor & 4;
	f->has_size = size_len > 0;
	f->content = get_bytes(in + at, size_len) + (size_len == 2 ? 256 : 0);
	return at + size_len;
}

/* From the first block to behind the last. 1: not whole. */
static int hop_blocks(struct disk *disk, int fd, uint64_t *at, uint64_t end, uint64_t *ret_content_max)
{
	*ret_content_max = 0;
	for (bool last = false; !last;) {
		unsigned char in[3];
		if (*at > end || end - *at < sizeof(in))
			return 1;
		int r = disk_pread_exact(disk, fd, in, sizeof(in), (off_t)*at);
		if (r < 0)
			return r;
		uint64_t header = get_bytes(in, sizeof(in));
		unsigned kind = (header >> 1) & 3;
		if (kind == BLOCK_RESERVED)
			return 1;
		last = header & 1;
		*ret_content_max +=
		    kind == BLOCK_COMPRESSED ? BLOCK_MAX : min(header >> 3, (uint64_t)BLOCK_MAX);
		*at += sizeof(in) + (kind == BLOCK_RLE ? 1 : header >> 3);
	}
	return 0;
}

int zframe_read(struct zframe *ret, struct disk *disk, int fd, uint64_t at, uint64_t end)
{
	unsigned char in[HEADER_MAX];
	size_t len = (size_t)min(end - at, (uint64_t)sizeof(in));

	*ret = (struct zframe){0};
	if (len < 8)
		return 1;
	int r = disk_pread_exact(disk, fd, in, len, (off_t)at);
	if (r < 0)
		return r;
	ret->magic = le_get32(in);
	if ((ret->magic & ~0xFu) == SKIPPABLE) {
		ret->skippable = true;
		ret->size = 8 + (uint64_t)le_get32(in + 4);
		return ret->size > end - at;
	}
	size_t header = ret->magic == MAGIC ? read_header(ret, in, len) : 0;
	if (header == 0)
		return 1;
	uint64_t to = at + header;
	r = hop_blocks(disk, fd, &to, end, &ret->content_max);
	if (r)
		return r;
	if (ret->has_checksum)
		to += 4;
	ret->size = to - at;
	return to > end;
}
