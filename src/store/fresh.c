#include "store/fresh.h"

#include <errno.h>
#include <fcntl.h>

#include "store/identity.h"

int fresh_open(struct eventlog *log, struct fresh *ret)
{
	struct disk *disk = log->disk;

	ret->read_fd = -1;
	ret->fd = disk_create(disk, log->dirfd, FRESH_NAME, 0644);
	if (ret->fd < 0)
		return ret->fd;
	int r = disk->lock(disk, ret->fd);
	if (r > 0)
		r = -EBUSY;
	if (r == 0)
		r = identity_take(log, FRESH_NAME, &ret->is);
	if (r == 0)
		r = ret->read_fd = disk->open(disk, log->dirfd, FRESH_NAME, O_RDONLY | O_NOFOLLOW, 0);
	if (r >= 0)
		return 0;
	fresh_drop(log, ret);
	return r;
}

void fresh_drop(struct eventlog *log, struct fresh *f)
{
	log->disk->close(log->disk, f->fd);
	closep(&f->read_fd);
	(void)!log->disk->unlink(log->disk, log->dirfd, FRESH_NAME);
}
