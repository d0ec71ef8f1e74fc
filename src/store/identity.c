#include "store/identity.h"

#include <errno.h>
#include <fcntl.h>

int identity_take(struct eventlog *log, const char *name, struct disk_file *ret)
{
	int r = log->disk->look(log->disk, log->dirfd, name, ret);

	if (r == -ENOENT)
		*ret = (struct disk_file){0};
	return r == -ENOENT ? 0 : r;
}

static int not_as_it_was(struct eventlog *log, const char *what)
{
	eventlog_fail(log, 0, what);
	return -EROFS;
}

static bool is_same(const struct disk_file *a, const struct disk_file *b)
{
	return a->inode == b->inode && a->device == b->device;
}

int identity_check_active(struct eventlog *log)
{
	struct disk_file now;
	int r = identity_take(log, ACTIVE_NAME, &now);

	if (r < 0)
		return r == -ENOMEM ? r : eventlog_fail(log, r, "looking at " ACTIVE_NAME);
	if (now.inode == 0)
		return not_as_it_was(log, ACTIVE_NAME " has been moved away or removed");
	if (!is_same(&now, &log->active_is))
		return not_as_it_was(log, ACTIVE_NAME " has been replaced by another file");
	uint64_t expected = log->active_size + log->ahead;
	if (now.size == expected)
		return 0;
	/* Some file systems are late to tell by name. */
	off_t size = log->disk->size(log->disk, log->active_fd);
	if (size < 0)
		return eventlog_fail(log, (int)size, "looking at " ACTIVE_NAME);
	if ((uint64_t)size < expected)
		return not_as_it_was(log, ACTIVE_NAME " has been cut by somebody else");
	if ((uint64_t)size > expected)
		return not_as_it_was(log, "somebody else has written to " ACTIVE_NAME);
	return 0;
}

/* A backup that was put back, or a copy in the place of a file with two names? Its last record speaks
 * for all before it. */
static int is_copy(struct eventlog *log, const struct archive_mark *mark, bool *ret)
{
	struct disk *disk = log->disk;
	struct index_tail tail = {0};
	int fd = disk->open(disk, log->dirfd, ARCHIVE_NAME, O_RDONLY | O_NOFOLLOW, 0);

	*ret = false;
	if (fd < 0)
		return fd == -ELOOP ? 0 : fd;
	off_t size = disk->size(disk, fd);
	int r = size < 0 ? (int)size : 0;
	if (r == 0 && (uint64_t)size == mark->size)
		r = index_probe(disk, fd, mark->size, &tail);
	disk->close(disk, fd);
	*ret = r == 0 && tail.size == mark->size && (tail.last == LAST_END || log->end_missing) &&
	       !tail.damaged && tail.frames == mark->frames && tail.pos.off == mark->pos.off &&
	       tail.pos.seq == mark->pos.seq;
	return r == -EINVAL ? 0 : r;
}

int identity_check_archive(struct eventlog *log, const struct archive_mark *mark)
{
	bool known = log->archive_is.inode != 0;
	struct disk_file now;
	int r = identity_take(log, ARCHIVE_NAME, &now);

	if (r < 0)
		return r;
	if (!known && now.inode != 0)
		return not_as_it_was(log, "somebody else has made an " ARCHIVE_NAME);
	if (known && now.inode == 0)
		return not_as_it_was(log, ARCHIVE_NAME " has been moved away or removed");
	if (known && !is_same(&now, &log->archive_is)) {
		bool copy;
		r = is_copy(log, mark, &copy);
		if (r < 0)
			return r;
		if (!copy)
			return not_as_it_was(log, ARCHIVE_NAME " has been replaced by another file");
		log->archive_is = now;
		log->archive_rests = false;
	}
	if (now.size == mark->size)
		return 0;
	if (now.size < mark->size)
		return not_as_it_was(log, ARCHIVE_NAME " has been cut by somebody else");
	return log->archive_rests ? 0 : not_as_it_was(log, "somebody else has written to " ARCHIVE_NAME);
}

int identity_check_sealed(struct eventlog *log)
{
	struct disk_file now;
	int r = identity_take(log, SEALED_NAME, &now);

	if (r < 0)
		return r;
	if (now.inode == 0)
		return 1;
	if (!is_same(&now, &log->sealed_is))
		return not_as_it_was(log, SEALED_NAME " has been replaced by another file");
	return 0;
}
