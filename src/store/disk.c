#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/clock.h"

#define SLURP_BYTES ((size_t)64 << 10)
#define COPY_BYTES ((size_t)1 << 20)

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

static int posix_direct(struct disk *d, int fd, bool direct)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) < 0 ? -errno : 0;
}

static int posix_sync(struct disk *d, int fd)
{
	return again(fdatasync(fd));
}

static void posix_start(struct disk *d, int fd, off_t off, size_t len)
{
	(void)!sync_file_range(fd, off, (off_t)len, SYNC_FILE_RANGE_WRITE);
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

static int posix_is_locked(struct disk *d, int fd)
{
	int r = again(flock(fd, LOCK_SH | LOCK_NB));

	if (r == 0)
		r = again(flock(fd, LOCK_UN));
	return r == -EWOULDBLOCK ? 1 : r;
}

static off_t posix_size(struct disk *d, int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &st) < 0)
		return -errno;
	return S_ISREG(st.stx_mode) ? (off_t)st.stx_size : -EINVAL;
}

static int posix_look(struct disk *d, int dirfd, const char *name, struct disk_file *ret)
{
	struct statx st;

	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_SIZE, &st) < 0)
		return -errno;
	*ret = (struct disk_file){
	    .device = makedev(st.stx_dev_major, st.stx_dev_minor),
	    .inode = st.stx_ino,
	    .size = st.stx_size,
	};
	return 0;
}

static int posix_changed(struct disk *d, int dirfd, const char *name, uint64_t *ret)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = clock_to_ns(st.st_mtim);
	return 0;
}

struct disk disk_posix = {
    .name = "posix",
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .truncate = posix_truncate,
    .direct = posix_direct,
    .sync = posix_sync,
    .start = posix_start,
    .sync_dir = posix_sync_dir,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .lock = posix_lock,
    .is_locked = posix_is_locked,
    .size = posix_size,
    .look = posix_look,
    .changed = posix_changed,
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

int disk_slurp(struct disk *d, int fd, size_t most, struct buf *ret)
{
	off_t size = d->size(d, fd), at = 0;

	if (size < 0)
		return (int)size;
	/* One more byte than there should be, to meet the end without asking for more memory. */
	size_t room = min((size_t)size, most) + 1;
	for (;;) {
		if (buf_reserve(ret, room) < 0)
			return -ENOMEM;
		ssize_t n = d->pread(d, fd, ret->data + ret->len, room, at);
		if (n <= 0)
			return (int)n;
		ret->len += (size_t)n;
		at += n;
		if ((uint64_t)at > most)
			return -EFBIG;
		room = room > (size_t)n ? room - (size_t)n : SLURP_BYTES;
	}
}

int disk_read_from(struct disk *d, int fd, uint64_t off, uint64_t most, struct buf *ret)
{
	off_t size = d->size(d, fd);

	if (size < 0 || (uint64_t)size <= off)
		return (int)min(size, (off_t)0);
	size_t len = (size_t)min((uint64_t)size - off, most);
	int r = buf_reserve(ret, len);
	if (r == 0)
		r = disk_pread_exact(d, fd, ret->data + ret->len, len, (off_t)off);
	if (r == 0)
		ret->len += len;
	return r;
}

int disk_copy(struct disk *d, int fd, off_t off, uint64_t len, struct disk *to_disk, int to_fd, off_t to_off)
{
	size_t room = (size_t)min(len, (uint64_t)COPY_BYTES), done;
	char *data auto_free = malloc(max(room, (size_t)1));
	int r = data ? 0 : -ENOMEM;

	for (uint64_t at = 0; r == 0 && at < len; at += done) {
		size_t n = (size_t)min(len - at, (uint64_t)room);
		r = disk_pread_exact(d, fd, data, n, off + (off_t)at);
		if (r == 0)
			r = disk_pwrite_all(to_disk, to_fd, data, n, to_off + (off_t)at, &done);
	}
	return r;
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

int disk_create(struct disk *d, int dirfd, const char *name, mode_t mode)
{
	int r = d->unlink(d, dirfd, name);

	if (r < 0 && r != -ENOENT)
		return r;
	return d->open(d, dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

/* False: the other one has a list, and it could not be copied. */
static bool copy_access_list(int fd, int other)
{
	static const char name[] = "system.posix_acl_access";
	char list[4096];
	ssize_t len = fgetxattr(other, name, list, sizeof(list));

	if (len < 0)
		return errno == ENODATA || errno == EOPNOTSUPP;
	return fsetxattr(fd, name, list, (size_t)len, 0) == 0;
}

void disk_resemble(int fd, int other)
{
	struct stat is, as;

	if (fstat(fd, &is) < 0 || fstat(other, &as) < 0)
		return;
	mode_t mode = as.st_mode & 0777;
	bool same = (is.st_uid == as.st_uid && is.st_gid == as.st_gid) ||
		    fchown(fd, as.st_uid, as.st_gid) == 0 || is.st_gid == as.st_gid ||
		    fchown(fd, (uid_t)-1, as.st_gid) == 0;
	/* Where there is a list the group's bits are the most that it may give to anybody. */
	if (!copy_access_list(fd, other) || !same)
		mode &= 0707;
	(void)!fchmod(fd, mode);
}

int disk_set_changed(int fd, uint64_t ns)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, clock_of_ns(ns)};

	return futimens(fd, times) < 0 ? -errno : 0;
}

int disk_names(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : (int)st.st_nlink;
}
