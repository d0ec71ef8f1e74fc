#include "model/catalog/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_path(int dirfd, const char *name, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = resolve};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : (int)fd;
}

/* The call itself (a container's filter does that). */
static bool is_refused(int fd)
{
	return fd == -ENOSYS || fd == -EPERM || fd == -EINVAL;
}

/* Where it is refused, nothing is known to be safe. */
static int or_far(int fd)
{
	return is_refused(fd) ? -EXDEV : fd;
}

/* What stands in the directory itself, a link too. Without the call it may be a mount of somebody's, which is
 * improbable. */
static int open_here(int dirfd, const char *name)
{
	int fd = open_path(dirfd, name, O_NOFOLLOW, RESOLVE_NO_XDEV);

	if (!is_refused(fd))
		return fd;
	fd = openat(dirfd, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int reach_open_cached(int dirfd, const char *name)
{
	return open_path(dirfd, name, 0, RESOLVE_CACHED);
}

static bool is_link(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

/* Within DATA's own mount, or by what the kernel has at hand to a local disk. */
static int follow_safely(const struct reach *reach, int dirfd, const char *name)
{
	int fd = open_path(dirfd, name, 0, RESOLVE_NO_XDEV);

	if (fd != -EXDEV)
		return or_far(fd);
	fd = reach_open_cached(dirfd, name);
	if (fd == -EAGAIN)
		return -EXDEV;
	if (fd >= 0 && reach_where(reach, fd) != REACH_LOCAL) {
		close(fd);
		return -EXDEV;
	}
	return or_far(fd);
}

int reach_open(const struct reach *reach, int dirfd, const char *name, int flags)
{
	if (reach->anywhere) {
		int fd = openat(dirfd, name, O_PATH | O_CLOEXEC | flags);
		return fd < 0 ? -errno : fd;
	}
	int fd = open_here(dirfd, name);
	if (fd < 0 || (flags & O_NOFOLLOW) || !is_link(fd))
		return fd;
	close(fd);
	return follow_safely(reach, dirfd, name);
}

uint64_t reach_mount_of(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID))
		return 0;
	return st.stx_mnt_id;
}

static enum reach_where where_of_type(const char *type)
{
	static const char *const local[] = {
	    "ext4", "xfs",      "btrfs", "tmpfs",    "overlay", "ext2",     "ext3",   "f2fs",
	    "zfs",  "bcachefs", "ramfs", "squashfs", "erofs",   "devtmpfs", "proc",   "iso9660",
	    "udf",  "vfat",     "exfat", "ntfs3",    "jfs",     "reiserfs", "nilfs2",
	};

	if (strcmp(type, "fuse.eventfold") == 0)
		return REACH_EVENTFOLD;
	for (size_t i = 0; i < countof(local); i++)
		if (strcmp(type, local[i]) == 0)
			return REACH_LOCAL;
	return REACH_REMOTE;
}

/* By its line in mountinfo: "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS … - TYPE SOURCE …". Calls like
 * fstatfs() would ask the file system, which may be the one that is dead. */
enum reach_where reach_where(const struct reach *reach, int fd)
{
	uint64_t id = reach_mount_of(fd);
	enum reach_where found = REACH_REMOTE;
	auto_free char *line = NULL;
	size_t size = 0;
	bool any = false;

	if (id && id == reach->home)
		return REACH_LOCAL;
	FILE *mounts = id ? fopen("/proc/self/mountinfo", "re") : NULL;
	while (mounts && !any && getline(&line, &size, mounts) > 0) {
		const char *type = strstr(line, " - ");
		unsigned long long this;
		char name[64];
		any = sscanf(line, "%llu ", &this) == 1 && this == id;
		if (any && type && sscanf(type, " - %63s", name) == 1)
			found = where_of_type(name);
	}
	if (mounts)
		fclose(mounts);
	return found;
}
