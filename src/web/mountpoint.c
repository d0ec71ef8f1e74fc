#include "web/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define RETRIES 3 /* openat2() says EAGAIN where somebody renames things meanwhile */

static int open_root(const char *mnt)
{
	auto_close int fd = open(mnt, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return errno == ENOTCONN || errno == ENOENT || errno == ENOTDIR ? -ENODEV : -errno;
	if (fstatfs(fd, &fs) < 0)
		return errno == ENOTCONN ? -ENODEV : -errno;
	return fs.f_type == FUSE_SUPER_MAGIC ? take_fd(&fd) : -ENODEV;
}

/* at/TIME is a link to at/N; there are no others in there. */
static uint64_t links_of(const char *name)
{
	return strncmp(name, "at/", 3) == 0 ? 0 : RESOLVE_NO_SYMLINKS;
}

int mountpoint_open(const char *mnt, const char *name, int flags)
{
	auto_close int root = open_root(mnt);
	struct open_how how = {
	    .flags = (unsigned)flags | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV | links_of(name),
	};
	long fd = -1;

	if (root < 0)
		return root;
	for (int i = 0; fd < 0 && i < RETRIES; i++) {
		fd = syscall(SYS_openat2, root, *name ? name : ".", &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	if (fd >= 0)
		return (int)fd;
	return errno == ENOTCONN || errno == ECONNABORTED ? -ENODEV : -errno;
}

int mountpoint_look(const char *mnt, dev_t *ret)
{
	auto_close int root = open_root(mnt);
	struct stat st;

	if (root < 0 || fstat(root, &st) < 0)
		return -ENODEV;
	*ret = st.st_dev;
	return 0;
}

ssize_t mountpoint_read(const char *mnt, const char *name, char *out, size_t size)
{
	auto_close int fd = mountpoint_open(mnt, name, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while (len < size - 1) {
		n = read(fd, out + len, size - 1 - len);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	out[len] = 0;
	return (ssize_t)len;
}
