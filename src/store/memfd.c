#include "store/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "store/disk.h"

int memfd_new(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? -errno : fd;
}

int memfd_seal(int fd)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

int memfd_fill(int memfd, struct slice content)
{
	auto_close int fd = memfd;
	size_t done;

	if (fd < 0)
		return fd;
	int r = disk_pwrite_all(&disk_posix, fd, content.data, content.len, 0, &done);
	if (r == 0)
		r = memfd_seal(fd);
	return r < 0 ? r : take_fd(&fd);
}

int memfd_of(const char *name, struct slice content)
{
	return memfd_fill(memfd_new(name), content);
}
