#include "fs/notice.h"

#include <fcntl.h>
#include <stdio.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Which filesystem a path or descriptor is on, without asking our own fuse thread for attributes. 0: gone. */
static dev_t device_of(int fd, const char *path)
{
	struct statx st;

	if (statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

dev_t notice_device(const char *mnt)
{
	return device_of(AT_FDCWD, mnt);
}

bool notice_is_mounted(dev_t dev)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	bool found = false;
	size_t size = 0;

	if (!mounts)
		return true;
	while (!found && getline(&line, &size, mounts) > 0) {
		unsigned major, minor;
		found = sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 && makedev(major, minor) == dev;
	}
	fclose(mounts);
	return found;
}

void notice_raise(struct mount *m, const char *path)
{
	static const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
	struct follow *follow = &m->follow;
	char full[PATH_MAX];

	if (!follow->dev)
		return;
	if (snprintf(full, sizeof(full), "%s/%s", follow->mnt, path) >= (int)sizeof(full))
		return;
	/* Opened anew each time: a descriptor kept would make an unmount fail as busy. The mount may be gone meanwhile, and the path
	 * another file's: that one is left alone. */
	int fd = open(full, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Setting only mtime is what raises MODIFY; a notice that fails is one that nobody can hear. */
	if (device_of(fd, "") == follow->dev)
		(void)!futimens(fd, times);
	close(fd);
}
