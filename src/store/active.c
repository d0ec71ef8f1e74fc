#include "store/active.h"

#include <errno.h>
#include <fcntl.h>

#include "store/lines.h"

int active_scan(struct disk *disk, int fd, uint64_t end, struct active_scan *ret)
{
	char *data auto_free = malloc(LINES_CHUNK);
	off_t size = disk->size(disk, fd);

	if (!data)
		return -ENOMEM;
	if (size < 0)
		return (int)size;
	*ret = (struct active_scan){.size = (uint64_t)size};
	end = min(end, ret->size);
	for (uint64_t at = 0; at < end;) {
		size_t len = (size_t)min(end - at, (uint64_t)LINES_CHUNK);
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

/* Opens a file to append to it; a new one is for those for whom `like` is. */
static int open_end(struct disk *disk, int dirfd, const char *name, int like, off_t *ret_end)
{
	int fd = disk->open(disk, dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

	if (fd >= 0)
		disk_resemble(fd, like);
	else if (fd == -EEXIST)
		fd = disk->open(disk, dirfd, name, O_RDWR | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	*ret_end = disk->size(disk, fd);
	if (*ret_end >= 0)
		return fd;
	disk->close(disk, fd);
	return (int)*ret_end;
}

static int close_durably(struct disk *disk, int dirfd, int fd, int result)
{
	if (result == 0)
		result = disk->sync(disk, fd);
	disk->close(disk, fd);
	return result < 0 ? result : disk->sync_dir(disk, dirfd);
}

int active_keep_torn(struct disk *disk, int dirfd, int fd, uint64_t from, uint64_t to, const char *name)
{
	size_t done;
	off_t end;
	int out_fd = open_end(disk, dirfd, name, fd, &end);

	if (out_fd < 0)
		return out_fd;
	int r = disk_copy(disk, fd, (off_t)from, to - from, disk, out_fd, end);
	if (r == 0)
		r = disk_pwrite_all(disk, out_fd, "\n", 1, end + (off_t)(to - from), &done);
	return close_durably(disk, dirfd, out_fd, r);
}

int active_keep_lines(struct disk *disk, int dirfd, int fd, struct slice lines, const char *name)
{
	size_t done;
	off_t end;

	if (lines.len == 0)
		return 0;
	int out_fd = open_end(disk, dirfd, name, fd, &end);
	if (out_fd < 0)
		return out_fd;
	return close_durably(disk, dirfd, out_fd,
			     disk_pwrite_all(disk, out_fd, lines.data, lines.len, end, &done));
}
