#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "store/archive.h"
#include "store/identity.h"

/* The archive as the layout has it. */
static struct archive_mark mark_of(struct eventlog *log, const struct layout *l)
{
	return (struct archive_mark){
	    .size = l->files.archive_size,
	    .pos = l->files.sealed_fd >= 0 ? l->files.sealed_begin : l->files.active_begin,
	    .frames = log->frames,
	};
}

/* Takes back what has been written of a rotation, as far as that can be done. */
static void cut_back(struct eventlog *log, int fd, uint64_t size)
{
	log->archive_rests = disk_cut(log->disk, fd, (off_t)size) < 0;
}

static int write_end(struct eventlog *log, int fd, struct archive_mark *mark)
{
	struct disk *disk = log->disk;

	/* END says that the sealed file is gone: first that must be so for good. */
	int r = disk->sync_dir(disk, log->dirfd);
	if (r == 0)
		r = archive_end(disk, fd, mark);
	if (r < 0) /* half a record would be taken for damage */
		cut_back(log, fd, mark->size);
	return r;
}

/* What is there now: the archive may be new, or a copy in its place. */
static int open_for_readers(struct eventlog *log, struct layout *l)
{
	int fd = log->disk->open(log->disk, log->dirfd, ARCHIVE_NAME, O_RDONLY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	closep(&l->files.archive_fd);
	l->files.archive_fd = fd;
	return 0;
}

int rotate_end(struct eventlog *log)
{
	struct layout *old cleanup(layout_unrefp) = eventlog_layout(log), *next;
	struct archive_mark mark = mark_of(log, old);
	struct log_files files;

	int r = identity_check_archive(log, &mark);
	if (r == 0)
		r = log_files_dup(&old->files, &files);
	if (r == 0)
		r = layout_new(&next, &files);
	if (r < 0)
		return r;
	int fd = log->disk->open(log->disk, log->dirfd, ARCHIVE_NAME, O_RDWR | O_NOFOLLOW, 0);
	r = fd < 0 ? fd : open_for_readers(log, next);
	if (r == 0)
		r = write_end(log, fd, &mark);
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
static int open_fresh(struct eventlog *log, int *ret_fd, int *ret_read, struct disk_file *ret_is)
{
	struct disk *disk = log->disk;
	int fd = disk->open(disk, log->dirfd, FRESH_NAME, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return fd;
	int r = disk->lock(disk, fd);
	if (r > 0)
		r = -EBUSY;
	if (r == 0)
		r = identity_take(log, FRESH_NAME, ret_is);
	if (r == 0)
		r = disk->open(disk, log->dirfd, FRESH_NAME, O_RDONLY, 0);
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
	struct disk_file fresh_is, sealed_is;
	struct log_files files;
	int fd, read_fd;

	if (log->active_size == 0)
		return 1;
	struct archive_mark mark = mark_of(log, old);
	int r = log->end_missing ? rotate_end(log) : identity_check_archive(log, &mark);
	if (r == 0)
		r = identity_take(log, SEALED_NAME, &sealed_is);
	/* Somebody else's: it would be replaced. */
	if (r == 0 && sealed_is.inode != 0)
		r = -EEXIST;
	if (r == 0)
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
	r = open_fresh(log, &fd, &read_fd, &fresh_is);
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
	log->sealed_is = log->active_is;
	log->active_fd = fd;
	log->active_is = fresh_is;
	log->active_size = 0;
	eventlog_set_layout(log, next, log->frames);
	return 0;
}

/* For those who ask how the log is. */
static void note_rotation(struct eventlog *log, int result, const char *what)
{
	pthread_mutex_lock(&log->lock);
	log->rotation_why[0] = '\0';
	if (result < 0)
		snprintf(log->rotation_why, sizeof(log->rotation_why), "%s: %s", what,
			 strerrordesc_np(-result));
	pthread_mutex_unlock(&log->lock);
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
	note_rotation(log, r, "sealing " ACTIVE_NAME);
	eventlog_release(log);
	return r;
}

/* Writes the sealed file into the archive behind the mark; durable when it returns, by content and by name. */
static int write_rotation(struct eventlog *log, int fd, struct archive_mark *mark, uint64_t sealed_bytes)
{
	struct disk *disk = log->disk;
	off_t sealed_size = disk->size(disk, log->sealed_fd);

	if (sealed_size < 0)
		return (int)sealed_size;
	/* The offsets behind it would move. */
	if ((uint64_t)sealed_size != sealed_bytes)
		return eventlog_fail(log, 0, "somebody else has changed " SEALED_NAME);
	/* Else what an earlier try has left behind the mark may be all there is: it is written over, with the same bytes. */
	int r = identity_check_sealed(log) == 0 ? disk_cut(disk, fd, (off_t)mark->size) : 0;
	log->archive_rests = true;
	if (r == 0)
		r = archive_write(disk, fd, mark, log->sealed_fd, (uint64_t)sealed_size,
				  log->options.frame_bytes ? log->options.frame_bytes : LIMIT_FRAME);
	return r < 0 ? r : disk->sync_dir(disk, log->dirfd);
}

/* All of it is in the archive: is that still where everybody finds it, and the sealed file still the one that may go? Then it goes. */
static int remove_sealed(struct eventlog *log, const struct archive_mark *mark)
{
	int r = identity_check_archive(log, mark);

	if (r == 0)
		r = identity_check_sealed(log);
	if (r == 0)
		return log->disk->unlink(log->disk, log->dirfd, SEALED_NAME);
	return min(r, 0);
}

/* With the archive open: all but the END. */
static int archive_sealed(struct eventlog *log, int fd, struct layout *next, struct archive_mark *mark)
{
	uint64_t before = mark->size;

	int r = write_rotation(log, fd, mark, next->files.active_begin.off - next->files.sealed_begin.off);
	if (r == 0)
		r = open_for_readers(log, next);
	if (r == 0 && log->options.retire)
		log->options.retire(log->options.arg, next->files.active_begin.off);
	if (r == 0)
		r = remove_sealed(log, mark);
	if (r == 0)
		log->archive_rests = false;
	else if (identity_check_sealed(log) == 0) /* else what is in the archive may be all there is */
		cut_back(log, fd, before);
	return r;
}

/* Made only where there was none: under that name may now be what has been put back. */
static int open_archive(struct eventlog *log, const struct archive_mark *mark)
{
	struct disk *disk = log->disk;
	int r = identity_check_archive(log, mark), flags = O_RDWR | O_NOFOLLOW;

	if (r < 0)
		return r;
	if (log->archive_is.inode == 0)
		flags |= O_CREAT | O_EXCL;
	int fd = disk->open(disk, log->dirfd, ARCHIVE_NAME, flags, 0644);
	if (fd < 0 || !(flags & O_CREAT))
		return fd;
	r = identity_take(log, ARCHIVE_NAME, &log->archive_is);
	if (r == 0)
		return fd;
	disk->close(disk, fd);
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
	int fd = open_archive(log, &mark);
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
		return diag_set(diag, r, "writing " ARCHIVE_NAME ": %s",
				log->failed ? log->why : strerrordesc_np(-r));
	}
	disk->close(disk, take_fd(&log->sealed_fd));
	closep(&next->files.sealed_fd);
	next->files.sealed_fd = -1;
	next->files.archive_size = mark.size;
	log->sealed_is = (struct disk_file){0};
	log->end_missing = true;
	eventlog_set_layout(log, next, mark.frames);
	return 0;
}

int eventlog_archive(struct eventlog *log, struct diag *diag)
{
	const char *what = "writing " ARCHIVE_NAME;
	int r = 1;

	if (log->options.read_only)
		return diag_set(diag, -EROFS, "the log is open for reading only");
	if (log->failed)
		return diag_set(diag, -EROFS, "the log is read-only");
	if (!eventlog_claim(log))
		return 1;
	if (log->sealed_fd >= 0)
		r = archive(log, diag);
	if (r >= 0 && log->end_missing) {
		what = "ending " ARCHIVE_NAME;
		r = rotate_end(log);
		if (r < 0)
			diag_set(diag, r, "ending " ARCHIVE_NAME ": %s", strerrordesc_np(-r));
	}
	if (r <= 0)
		note_rotation(log, r, what);
	eventlog_release(log);
	return r;
}
