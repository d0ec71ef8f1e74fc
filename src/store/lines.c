#include "store/lines.h"

#include <errno.h>
#include <xxhash.h>

uint64_t lines_count(const char *data, size_t len)
{
	uint64_t n = 0;

	/* Bytes are summed in pieces that fit a byte, so that the compiler makes vectors of it. */
	while (len) {
		size_t piece = min(len, (size_t)255);
		unsigned char sum = 0;
		for (size_t i = 0; i < piece; i++)
			sum = (unsigned char)(sum + (data[i] == '\n'));
		n += sum;
		data += piece;
		len -= piece;
	}
	return n;
}

size_t lines_whole(const char *data, size_t len)
{
	const char *last = len ? memrchr(data, '\n', len) : NULL;

	return last ? (size_t)(last - data) + 1 : 0;
}

int lines_find_begin(struct disk *disk, int fd, uint64_t begin, uint64_t end, uint64_t *ret)
{
	char data[4096];

	while (end > begin) {
		size_t len = (size_t)min(end - begin, (uint64_t)sizeof(data));
		int r = disk_pread_exact(disk, fd, data, len, (off_t)(end - len));
		if (r < 0)
			return r;
		size_t whole = lines_whole(data, len);
		if (whole) {
			*ret = end - len + whole;
			return 0;
		}
		end -= len;
	}
	*ret = begin;
	return 0;
}

int lines_begin_at(struct disk *disk, int fd, uint64_t at)
{
	char before = '\n';
	int r = at ? disk_pread_exact(disk, fd, &before, 1, (off_t)at - 1) : 0;

	return r < 0 ? r : before == '\n';
}

int lines_hash(struct disk *disk, int fd, uint64_t begin, uint64_t end, uint64_t *ret)
{
	char data[8192];
	XXH64_state_t state;

	XXH64_reset(&state, 0);
	while (begin < end) {
		size_t len = (size_t)min(end - begin, (uint64_t)sizeof(data));
		int r = disk_pread_exact(disk, fd, data, len, (off_t)begin);
		if (r < 0)
			return r;
		XXH64_update(&state, data, len);
		begin += len;
	}
	*ret = XXH64_digest(&state);
	return 0;
}
