#include "cli/mount_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LOOKS 3 /* at a mount point whose daemon is dying */

/* What a killed daemon has left behind is taken away. */
static int detach_stale(const char *mnt, struct diag *diag)
{
	if (umount2(mnt, MNT_DETACH) == 0)
		return 0;
	pid_t pid = fork();
	if (pid == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-z", mnt, (char *)NULL);
		_exit(127);
	}
	int status;
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return 0;
	return diag_set(diag, -ENOTCONN,
			"%s is the mount of a daemon that died; fusermount3 -u -z %s frees it", mnt, mnt);
}

static int look_at(const char *mnt, struct stat *st, char ret[PATH_MAX])
{
	return stat(mnt, st) < 0 || !realpath(mnt, ret) ? -errno : 0;
}

/* The mount point, resolved. */
static int resolve_mnt(const char *mnt, char ret[PATH_MAX], struct diag *diag)
{
	struct stat st;

	int r = look_at(mnt, &st, ret);
	/* While a daemon is being killed, what it was asked last is aborted; then nothing is connected. */
	for (unsigned i = 0; i < LOOKS && (r == -ENOTCONN || r == -ECONNABORTED); i++) {
		int detached = r == -ENOTCONN ? detach_stale(mnt, diag) : 0;
		if (detached < 0)
			return detached;
		r = look_at(mnt, &st, ret);
	}
	if (r < 0)
		return diag_set(diag, r, "cannot mount at %s: %s", mnt, strerrordesc_np(-r));
	if (!S_ISDIR(st.st_mode))
		return diag_set(diag, -ENOTDIR, "cannot mount at %s: it is no directory", mnt);
	return 0;
}

/* DATA's absolute path; DATA itself may be missing. */
static int resolve_data(const char *data, char ret[PATH_MAX], struct diag *diag)
{
	char parent[PATH_MAX];

	if (realpath(data, ret))
		return 0;
	int error = errno;
	size_t len = strlen(data);
	while (len > 1 && data[len - 1] == '/')
		len--;
	if (error != ENOENT || len == 0 || len >= sizeof(parent))
		return diag_set(diag, -error, "cannot open %s: %s", data, strerror(error));
	size_t dir = len;
	while (dir > 0 && data[dir - 1] != '/')
		dir--;
	snprintf(parent, sizeof(parent), "%.*s", dir ? (int)dir : 1, dir ? data : ".");
	if (!realpath(parent, ret))
		return diag_set(diag, -errno, "cannot create %s: %s", data, strerror(errno));
	size_t at = strlen(ret);
	if (at + 1 + (len - dir) >= PATH_MAX)
		return diag_set(diag, -ENAMETOOLONG, "cannot create %s: %s", data, strerror(ENAMETOOLONG));
	snprintf(ret + at, PATH_MAX - at, "%s%.*s", at > 1 ? "/" : "", (int)(len - dir), data + dir);
	return 0;
}

/* Is the path (absolute, resolved) the directory, or below it? By what they are, not by their names: a bind
 * mount has two. */
static bool is_in(const char *path, const char *dir)
{
	struct stat wanted, st;
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (stat(dir, &wanted) < 0)
		return false;
	for (; len > 0; len--) {
		if (path[len] != '\0' && path[len] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)len, path);
		if (stat(part, &st) == 0 && st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino)
			return true;
	}
	return stat("/", &st) == 0 && st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino;
}

static int check_fuse(struct diag *diag)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == EACCES)
		return diag_set(diag, -EACCES, "cannot use FUSE: %s", "/dev/fuse: Permission denied");
	return diag_set(diag, -errno,
			"FUSE is missing here: /dev/fuse: %s (load the kernel's module with: modprobe fuse)",
			strerror(errno));
}

int mount_check(const char *data, const char *mnt, struct mount_paths *ret, struct diag *diag)
{
	int r = resolve_mnt(mnt, ret->mnt, diag);

	if (r == 0)
		r = resolve_data(data, ret->data, diag);
	if (r == 0)
		r = check_fuse(diag);
	if (r < 0)
		return r;
	if (is_in(ret->data, ret->mnt))
		return diag_set(diag, -EINVAL,
				"the mount at %s would hide the data in %s: use another directory", ret->mnt,
				ret->data);
	/* A part of the data would be hidden, and asked of the daemon that needs it. */
	if (is_in(ret->mnt, ret->data))
		return diag_set(diag, -EINVAL,
				"cannot mount at %s: it is inside the data in %s; use another directory",
				ret->mnt, ret->data);
	return 0;
}
