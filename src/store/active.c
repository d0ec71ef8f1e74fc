#include "store/active.h"

#include <errno.h>
#include <fcntl.h>

#include "store/lines.h"

int active_scan(struct disk *disk, int fd, struct active_scan *ret)
{
	char *data auto_free = malloc(LINES_CHUNK);
	off_t size = disk->size(disk, fd);

	if (!data)
		return -ENOMEM;
	if (size < 0)
		return (int)size;
	*ret = (struct active_scan){.size = (uint64_t)size};
	for (uint64_t at = 0; at < ret->size;) {
		size_t len = (size_t)min(ret->size - at, (uint64_t)LINES_CHUNK);
		int r = disk_pread_exact(disk, fd, data, len, (off_t)at);
		if (r < 0)
			return r;
		size_t whole = lines_whole(data, len);
		if (whole)
			ret->whole = at + whole;
		ret->lines += lines_count(data, len);
		at += len;
	}
	if (ret->whole == 0)
		return 0;
	uint64_t begin;
	int r = lines_find_begin(disk, fd, 0, ret->whole - 1, &begin);
	return r < 0 ? r : lines_hash(disk, fd, begin, ret->whole - 1, &ret->hash);
}

static int copy_range(struct disk *disk, int fd, uint64_t from, uint64_t to, int out_fd, uint64_t out)
{
	char data[8192];
	size_t done;

	while (from < to) {
		size_t len = (size_t)min(to - from, (uint64_t)sizeof(data));
		int r = disk_pread_exact(disk, fd, data, len, (off_t)from);
		if (r < 0)
			return r;
		r = disk_pwrite_all(disk, out_fd, data, len, (off_t)out, &done);
		if (r < 0)
			return r;
		from += len;
		out += len;
	}
	return disk_pwrite_all(disk, out_fd, "\n", 1, (off_t)out, &done);
}

int active_keep_torn(struct disk *disk, int dirfd, int fd, uint64_t from, uint64_t to, const char *name)
{
	int out_fd = disk->open(disk, dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0644);

	if (out_fd < 0)
		return out_fd;
	off_t end = disk->size(disk, out_fd);
	int r = end < 0 ? (int)end : copy_range(disk, fd, from, to, out_fd, (uint64_t)end);
	if (r == 0)
		r = disk->sync(disk, out_fd);
	disk->close(disk, out_fd);
	return r < 0 ? r : disk->sync_dir(disk, dirfd);
}
