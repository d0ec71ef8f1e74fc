#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "store/archive.h"
#include "store/eventlog_impl.h"

/* The archive as the layout has it. */
static struct archive_mark mark_of(struct eventlog *log, const struct layout *l)
{
	return (struct archive_mark){
	    .size = l->files.archive_size,
	    .pos = l->files.sealed_fd >= 0 ? l->files.sealed_begin : l->files.active_begin,
	    .frames = log->frames,
	};
}

static int write_end(struct eventlog *log, int fd, struct archive_mark *mark)
{
	struct disk *disk = log->disk;

	/* END says that the sealed file is gone: first that must be so for good. */
	int r = disk->sync_dir(disk, log->dirfd);
	if (r == 0)
		r = archive_end(disk, fd, mark);
	if (r < 0) /* half a record would be taken for damage */
		(void)!disk->truncate(disk, fd, (off_t)mark->size);
	return r;
}

int rotate_end(struct eventlog *log)
{
	struct layout *old cleanup(layout_unrefp) = eventlog_layout(log), *next;
	struct archive_mark mark = mark_of(log, old);
	struct log_files files;

	int r = log_files_dup(&old->files, &files);
	if (r == 0)
		r = layout_new(&next, &files);
	if (r < 0)
		return r;
	int fd = log->disk->open(log->disk, log->dirfd, ARCHIVE_NAME, O_RDWR | O_NOFOLLOW, 0);
	r = fd < 0 ? fd : write_end(log, fd, &mark);
	if (fd >= 0)
		log->disk->close(log->disk, fd);
	if (r < 0) {
		layout_unref(next);
		return r;
	}
	next->files.archive_size = mark.size;
	log->end_missing = false;
	eventlog_set_layout(log, next, mark.frames);
	return 0;
}

/* A fresh, locked active file under a name of its own; *ret_read is it once more for reading. */
static int open_fresh(struct eventlog *log, int *ret_fd, int *ret_read)
{
	struct disk *disk = log->disk;
	int fd = disk->open(disk, log->dirfd, FRESH_NAME, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return fd;
	int r = disk->lock(disk, fd);
	if (r == 0)
		r = disk->open(disk, log->dirfd, FRESH_NAME, O_RDONLY, 0);
	else if (r > 0)
		r = -EBUSY;
	if (r < 0) {
		disk->close(disk, fd);
		return r;
	}
	*ret_read = r;
	*ret_fd = fd;
	return 0;
}

/* The two renames. Each is made durable before the next: a crash must never find the fresh file in the place of the
 * old one while the old one has not got its new name. */
static int swap(struct eventlog *log)
{
	struct disk *disk = log->disk;
	int r = disk->rename(disk, log->dirfd, ACTIVE_NAME, SEALED_NAME);

	if (r < 0)
		return r;
	r = disk->sync_dir(disk, log->dirfd);
	if (r < 0)
		goto unsure;
	r = disk->rename(disk, log->dirfd, FRESH_NAME, ACTIVE_NAME);
	if (r == 0) {
		/* There is no way back, and without this sync the fresh file might not be found after a crash. */
		r = disk->sync_dir(disk, log->dirfd);
		return r < 0 ? eventlog_fail(log, r, "syncing the data directory") : 0;
	}
	/* Back, for good: nothing may be appended to a file that a crash would leave sealed. */
	if (disk->rename(disk, log->dirfd, SEALED_NAME, ACTIVE_NAME) == 0 &&
	    disk->sync_dir(disk, log->dirfd) == 0)
		return r;
	return eventlog_fail(log, r, "renaming " SEALED_NAME " back");
unsure:
	(void)!disk->rename(disk, log->dirfd, SEALED_NAME, ACTIVE_NAME);
	return eventlog_fail(log, r, "syncing the data directory");
}

static int seal(struct eventlog *log)
{
	struct layout *old cleanup(layout_unrefp) = eventlog_layout(log), *next;
	struct log_pos head = eventlog_head(log);
	struct log_files files;
	int fd, read_fd;

	if (log->active_size == 0)
		return 1;
	int r = log->end_missing ? rotate_end(log) : 0;
	if (r < 0)
		return r;
	r = eventlog_sync(log);
	if (r < 0)
		return r;
	layout_unref(old);
	old = eventlog_layout(log);
	r = log_files_dup(&old->files, &files);
	if (r == 0)
		r = layout_new(&next, &files);
	if (r < 0)
		return r;
	r = open_fresh(log, &fd, &read_fd);
	if (r == 0) {
		r = swap(log);
		if (r < 0) {
			log->disk->close(log->disk, fd);
			close(read_fd);
			(void)!log->disk->unlink(log->disk, log->dirfd, FRESH_NAME);
		}
	}
	if (r < 0) {
		layout_unref(next);
		return r;
	}
	next->files.sealed_fd = next->files.active_fd;
	next->files.sealed_begin = next->files.active_begin;
	next->files.active_fd = read_fd;
	next->files.active_begin = head;
	log->sealed_fd = log->active_fd;
	log->active_fd = fd;
	log->active_size = 0;
	eventlog_set_layout(log, next, log->frames);
	return 0;
}

/* Sets `busy`, but not where a sealed file waits: whoever archives it must not find the log busy for nothing. */
static bool claim_to_seal(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	bool claimed = !log->busy && log->layout->files.sealed_fd < 0;
	log->busy |= claimed;
	pthread_mutex_unlock(&log->lock);
	return claimed;
}

int eventlog_seal(struct eventlog *log)
{
	if (log->failed || log->options.read_only)
		return -EROFS;
	if (!claim_to_seal(log))
		return 1;
	int r = seal(log);
	eventlog_release(log);
	return r;
}

/* Writes the sealed file into the archive behind the mark; durable when it returns, by content and by name. */
static int write_rotation(struct eventlog *log, int fd, struct archive_mark *mark, uint64_t sealed_bytes)
{
	struct disk *disk = log->disk;
	off_t size = disk->size(disk, fd), sealed_size = disk->size(disk, log->sealed_fd);
	int r = 0;

	if (size < 0 || sealed_size < 0)
		return (int)min(size, sealed_size);
	/* Somebody has cut the one, or changed the other: then the offsets behind it would move. */
	if ((uint64_t)size < mark->size || (uint64_t)sealed_size != sealed_bytes)
		return -EIO;
	if ((uint64_t)size > mark->size)
		r = disk->truncate(disk, fd, (off_t)mark->size);
	if (r == 0)
		r = archive_write(disk, fd, mark, log->sealed_fd, (uint64_t)sealed_size,
				  log->options.frame_bytes ? log->options.frame_bytes : LIMIT_FRAME);
	return r < 0 ? r : disk->sync_dir(disk, log->dirfd);
}

/* With the archive open: all but the END. */
static int archive_sealed(struct eventlog *log, int fd, struct layout *next, struct archive_mark *mark)
{
	struct disk *disk = log->disk;
	uint64_t before = mark->size;

	int r = write_rotation(log, fd, mark, next->files.active_begin.off - next->files.sealed_begin.off);
	if (r == 0 && next->files.archive_fd < 0) {
		r = disk->open(disk, log->dirfd, ARCHIVE_NAME, O_RDONLY, 0);
		if (r >= 0)
			next->files.archive_fd = r;
	}
	if (r >= 0 && log->options.retire)
		log->options.retire(log->options.arg, next->files.active_begin.off);
	if (r >= 0)
		r = disk->unlink(disk, log->dirfd, SEALED_NAME);
	if (r < 0)
		(void)!disk->truncate(disk, fd, (off_t)before);
	return r;
}

static int archive(struct eventlog *log, struct diag *diag)
{
	struct layout *old cleanup(layout_unrefp) = eventlog_layout(log), *next;
	struct archive_mark mark = mark_of(log, old);
	struct disk *disk = log->disk;
	struct log_files files;

	int r = log_files_dup(&old->files, &files);
	if (r == 0)
		r = layout_new(&next, &files);
	if (r < 0)
		return r;
	int fd = disk->open(disk, log->dirfd, ARCHIVE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
	/* A copy of DATA that is made of hard links would have these events twice: in its archive, and in its active log. */
	bool shared = fd >= 0 && disk_names(fd) > 1;
	r = fd < 0 ? fd : shared ? -EMLINK : archive_sealed(log, fd, next, &mark);
	if (fd >= 0)
		disk->close(disk, fd);
	if (r < 0) {
		layout_unref(next);
		if (shared)
			return diag_set(
			    diag, r,
			    ARCHIVE_NAME
			    " has another name (a hard link), where it must not grow: replace it by a copy");
		return diag_set(diag, r, "writing " ARCHIVE_NAME ": %s", strerrordesc_np(-r));
	}
	disk->close(disk, take_fd(&log->sealed_fd));
	closep(&next->files.sealed_fd);
	next->files.sealed_fd = -1;
	next->files.archive_size = mark.size;
	log->end_missing = true;
	eventlog_set_layout(log, next, mark.frames);
	return 0;
}

int eventlog_archive(struct eventlog *log, struct diag *diag)
{
	int r = 1;

	if (log->options.read_only)
		return diag_set(diag, -EROFS, "the log is open for reading only");
	if (!eventlog_claim(log))
		return 1;
	if (log->sealed_fd >= 0)
		r = archive(log, diag);
	if (r >= 0 && log->end_missing) {
		r = rotate_end(log);
		if (r < 0)
			diag_set(diag, r, "ending " ARCHIVE_NAME ": %s", strerrordesc_np(-r));
	}
	eventlog_release(log);
	return r;
}
