#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"

/* The value of a call, or the negative errno; again where a signal came between. */
#define again(call)                                                                                          \
	({                                                                                                   \
		__typeof__(call) result_;                                                                    \
		do                                                                                           \
			result_ = (call);                                                                    \
		while (result_ < 0 && errno == EINTR);                                                       \
		result_ < 0 ? (__typeof__(call))-errno : result_;                                            \
	})

static int posix_open(struct disk *d, int dirfd, const char *name, int flags, mode_t mode)
{
	/* To files O_NONBLOCK is nothing; a pipe that has a file's name must not hold up whoever opens it. */
	return again(openat(dirfd, name, flags | O_CLOEXEC | O_NONBLOCK, mode));
}

static void posix_close(struct disk *d, int fd)
{
	close(fd);
}

static ssize_t posix_pread(struct disk *d, int fd, void *data, size_t len, off_t off)
{
	return again(pread(fd, data, len, off));
}

static ssize_t posix_pwrite(struct disk *d, int fd, const void *data, size_t len, off_t off)
{
	return again(pwrite(fd, data, len, off));
}

static int posix_truncate(struct disk *d, int fd, off_t size)
{
	return again(ftruncate(fd, size));
}

static int posix_sync(struct disk *d, int fd)
{
	return again(fdatasync(fd));
}

static int posix_sync_dir(struct disk *d, int dirfd)
{
	return again(fsync(dirfd));
}

static int posix_rename(struct disk *d, int dirfd, const char *from, const char *to)
{
	return again(renameat(dirfd, from, dirfd, to));
}

static int posix_unlink(struct disk *d, int dirfd, const char *name)
{
	return again(unlinkat(dirfd, name, 0));
}

static int posix_mkdir(struct disk *d, int dirfd, const char *name, mode_t mode)
{
	int r = again(mkdirat(dirfd, name, mode));

	return r == -EEXIST ? 0 : r;
}

static int posix_lock(struct disk *d, int fd)
{
	int r = again(flock(fd, LOCK_EX | LOCK_NB));

	return r == -EWOULDBLOCK ? 1 : r;
}

static off_t posix_size(struct disk *d, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? st.st_size : -EINVAL;
}

static int posix_look(struct disk *d, int dirfd, const char *name, struct disk_file *ret)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = (struct disk_file){
	    .device = st.st_dev,
	    .inode = st.st_ino,
	    .size = (uint64_t)st.st_size,
	    .changed = clock_to_ns(st.st_mtim),
	};
	return 0;
}

struct disk disk_posix = {
    .name = "posix",
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .truncate = posix_truncate,
    .sync = posix_sync,
    .sync_dir = posix_sync_dir,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .lock = posix_lock,
    .size = posix_size,
    .look = posix_look,
};

int disk_pread_all(struct disk *d, int fd, void *data, size_t len, off_t off)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = d->pread(d, fd, (char *)data + done, len - done, off + (off_t)done);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 1;
		done += (size_t)n;
	}
	return 0;
}

int disk_pread_exact(struct disk *d, int fd, void *data, size_t len, off_t off)
{
	int r = disk_pread_all(d, fd, data, len, off);

	return r > 0 ? -EIO : r;
}

int disk_pwrite_all(struct disk *d, int fd, const void *data, size_t len, off_t off, size_t *ret_done)
{
	*ret_done = 0;
	while (*ret_done < len) {
		ssize_t n =
		    d->pwrite(d, fd, (const char *)data + *ret_done, len - *ret_done, off + (off_t)*ret_done);
		if (n < 0)
			return (int)n;
		if (n == 0) /* no file system does this; it must not become an endless loop */
			return -EIO;
		*ret_done += (size_t)n;
	}
	return 0;
}

int disk_cut(struct disk *d, int fd, off_t size)
{
	off_t now = d->size(d, fd);

	if (now <= size)
		return now < 0 ? (int)now : 0;
	return d->truncate(d, fd, size);
}

static int write_synced(struct disk *d, int fd, const void *data, size_t len)
{
	size_t done;
	int r = disk_pwrite_all(d, fd, data, len, 0, &done);

	return r < 0 ? r : d->sync(d, fd);
}

int disk_replace(struct disk *d, int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	char tmp[256];

	if ((size_t)snprintf(tmp, sizeof(tmp), ".%s.tmp", name) >= sizeof(tmp))
		return -ENAMETOOLONG;
	int fd = d->open(d, dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
	if (fd < 0)
		return fd;
	int r = write_synced(d, fd, data, len);
	d->close(d, fd);
	if (r == 0)
		r = d->rename(d, dirfd, tmp, name);
	if (r < 0) {
		d->unlink(d, dirfd, tmp);
		return r;
	}
	return d->sync_dir(d, dirfd);
}

int disk_names(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : (int)st.st_nlink;
}
