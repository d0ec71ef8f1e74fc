#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "store/archive.h"
#include "store/identity.h"
#include "store/reader.h"
#include "store/sha.h"

struct archive_mark rotate_mark(struct eventlog *log, const struct layout *l)
{
	return (struct archive_mark){
	    .size = l->files.archive_size,
	    .pos = l->files.sealed_fd >= 0 ? l->files.sealed_begin : l->files.active_begin,
	    .frames = log->frames,
	    .latest = log->latest,
	    .sha = log->sha,
	};
}

/* Of what the archive has up to the mark: as its last record says it, or as it has been found out since. */
static struct record_sha known_sha(struct eventlog *log, const struct archive_mark *mark)
{
	struct record_sha sha = mark->sha;

	pthread_mutex_lock(&log->lock);
	if (!sha_is_known(&sha) && log->noted_off == mark->pos.off)
		sha = log->noted_sha;
	pthread_mutex_unlock(&log->lock);
	return sha;
}

void rotate_note(struct eventlog *log, int result, const char *what)
{
	pthread_mutex_lock(&log->lock);
	log->rotation_why[0] = '\0';
	if (result < 0)
		snprintf(log->rotation_why, sizeof(log->rotation_why), "%s: %s", what,
			 strerrordesc_np(-result));
	pthread_mutex_unlock(&log->lock);
}

/* Takes back what has been written of a rotation, as far as that can be done. */
static void cut_back(struct eventlog *log, int fd, uint64_t size)
{
	log->archive_rests = disk_cut(log->disk, fd, (off_t)size) < 0;
}

/* What is not as it was has been made here. */
static void set_sha(struct eventlog *log, const struct record_sha *sha)
{
	pthread_mutex_lock(&log->lock);
	log->sha_made = log->sha_made || memcmp(&log->sha, sha, sizeof(*sha)) != 0;
	log->sha = *sha;
	pthread_mutex_unlock(&log->lock);
}

void eventlog_note_sha(struct eventlog *log, uint64_t off, const struct record_sha *sha)
{
	pthread_mutex_lock(&log->lock);
	log->noted_off = off;
	log->noted_sha = *sha;
	pthread_mutex_unlock(&log->lock);
}

/* Is there something to be said behind the archive that its last record does not say? */
static bool lacks_end(struct eventlog *log)
{
	struct layout *l cleanup(layout_unrefp) = eventlog_layout(log);
	struct archive_mark mark = rotate_mark(log, l);
	struct record_sha sha = known_sha(log, &mark);

	return log->end_missing || (mark.size > 0 && sha_is_known(&sha) && !sha_is_known(&mark.sha));
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
	struct archive_mark mark = rotate_mark(log, old);
	struct log_files files;

	int r = identity_check_archive(log, &mark);
	if (r == 0)
		r = log_files_dup(&old->files, &files);
	if (r == 0)
		r = layout_new(&next, &files);
	if (r < 0)
		return r;
	mark.sha = known_sha(log, &mark);
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
	log->latest = mark.latest;
	set_sha(log, &mark.sha);
	eventlog_set_layout(log, next, mark.frames);
	return 0;
}

/* The greatest time in the archive up to the mark; 0: not known. Where its records don't say, as those of an
 * earlier version don't, it is walked: once, since those of this rotation will. */
static uint64_t latest_of(struct eventlog *log, const struct archive_mark *mark)
{
	uint64_t latest = mark->latest ? mark->latest : LATEST_NONE;
	struct reader *reader = NULL;
	struct log_files files;

	if (!log->options.time_of || mark->latest || mark->pos.off == 0)
		return latest;
	int r = eventlog_files(log, &files);
	if (r == 0)
		r = reader_new(&reader, log->disk, &files);
	if (r == 0)
		r = reader_latest(reader, log->options.time_of, mark->pos.off, &latest);
	reader_free(reader);
	return r < 0 ? 0 : latest;
}

/* The SHA-256 of the archive up to the mark, where its last record says it. That is looked at once, by a
 * frame, before it is gone on with; from then on it was made here. */
static struct record_sha sha_of(struct eventlog *log, int fd, const struct archive_mark *mark)
{
	struct record_sha sha = known_sha(log, mark);
	struct record rec;

	if (mark->pos.off == 0)
		sha_begin(&sha);
	if (mark->pos.off == 0 || log->sha_made || !sha_is_known(&mark->sha))
		return sha;
	int r = record_load_before(log->disk, fd, 0, mark->size, &rec);
	if (r == 0)
		r = sha_check(log->disk, fd, &rec);
	if (r == 0)
		return sha;
	if (r > 0)
		eventlog_report(log, "the SHA-256 in the last record of " ARCHIVE_NAME
				     " is not that of its last frame: it is not gone on with");
	return (struct record_sha){0};
}

/* Writes the sealed file into the archive behind the mark; durable when it returns, by content and by
 * name. */
static int write_rotation(struct eventlog *log, int fd, struct archive_mark *mark, uint64_t sealed_bytes)
{
	struct disk *disk = log->disk;
	off_t sealed_size = disk->size(disk, log->sealed_fd);
	const struct archive_manner manner = {
	    .frame_bytes = log->options.frame_bytes ? log->options.frame_bytes : LIMIT_FRAME,
	    .latest = latest_of(log, mark),
	    .time_of = log->options.time_of,
	    .sha = sha_of(log, fd, mark),
	};

	if (sealed_size < 0)
		return (int)sealed_size;
	/* The offsets behind it would move. */
	if ((uint64_t)sealed_size != sealed_bytes)
		return eventlog_fail(log, 0, "somebody else has changed " SEALED_NAME);
	/* Else what an earlier try has left behind the mark may be all there is: it is written over,
	 * with the same bytes. */
	int r = identity_check_sealed(log) == 0 ? disk_cut(disk, fd, (off_t)mark->size) : 0;
	log->archive_rests = true;
	if (r == 0)
		r = archive_write(disk, fd, mark, log->sealed_fd, (uint64_t)sealed_size, &manner);
	return r < 0 ? r : disk->sync_dir(disk, log->dirfd);
}

/* All of it is in the archive: is that still where everybody finds it, and the sealed file still the one
 * that may go? Then it goes. */
static int remove_sealed(struct eventlog *log, const struct archive_mark *mark)
{
	int r = identity_check_archive(log, mark);

	if (r == 0)
		r = identity_check_sealed(log);
	if (r == 0)
		return log->disk->unlink(log->disk, log->dirfd, SEALED_NAME);
	return min(r, 0);
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

/* Ends the try to archive: what was written of it is taken back, but where it may be all there is. */
static int give_up(struct eventlog *log, int error, struct diag *diag)
{
	struct rotation *rot = &log->rotation;

	if (rot->fd >= 0 && identity_check_sealed(log) == 0)
		cut_back(log, rot->fd, rot->begin);
	if (rot->shared)
		return diag_set(diag, error,
				ARCHIVE_NAME " has another name (a hard link), where it must not grow: "
					     "replace it by a copy");
	return diag_set(diag, error, "writing " ARCHIVE_NAME ": %s",
			log->failed ? log->why : strerrordesc_np(-error));
}

static void rotation_deinit(struct eventlog *log)
{
	struct rotation *rot = &log->rotation;

	if (rot->fd >= 0)
		log->disk->close(log->disk, rot->fd);
	layout_unref(rot->next);
	*rot = ROTATION_NONE;
}

/* All but the END, durable. */
static int write_sealed(struct eventlog *log)
{
	struct layout *old cleanup(layout_unrefp) = eventlog_layout(log);
	struct rotation *rot = &log->rotation;
	struct log_files files;

	rot->mark = rotate_mark(log, old);
	rot->begin = rot->mark.size;
	int r = log_files_dup(&old->files, &files);
	if (r == 0)
		r = layout_new(&rot->next, &files);
	if (r < 0)
		return r;
	int fd = open_archive(log, &rot->mark);
	if (fd < 0)
		return fd;
	/* A copy of DATA that is made of hard links would have these events twice: in its archive, and
	 * in its active log. */
	rot->shared = disk_names(fd) > 1;
	if (rot->shared) {
		log->disk->close(log->disk, fd);
		return -EMLINK;
	}
	rot->fd = fd;
	const struct log_files *f = &rot->next->files;
	r = write_rotation(log, fd, &rot->mark, f->active_begin.off - f->sealed_begin.off);
	return r < 0 ? r : open_for_readers(log, rot->next);
}

/* The archive takes the sealed file's place. */
static void swap_layout(struct eventlog *log)
{
	struct rotation *rot = &log->rotation;
	struct layout *next = rot->next;

	log->archive_rests = false;
	log->disk->close(log->disk, take_fd(&log->sealed_fd));
	closep(&next->files.sealed_fd);
	next->files.sealed_fd = -1;
	next->files.archive_size = rot->mark.size;
	log->sealed_is = (struct disk_file){0};
	log->end_missing = true;
	log->latest = rot->mark.latest;
	set_sha(log, &rot->mark.sha);
	rot->next = NULL;
	eventlog_set_layout(log, next, rot->mark.frames);
}

/* Ends a step that was claimed. */
static int end_step(struct eventlog *log, int result, const char *what)
{
	rotation_deinit(log);
	if (result <= 0)
		rotate_note(log, result, what);
	eventlog_release(log);
	return result;
}

static int end_archive(struct eventlog *log, struct diag *diag)
{
	int r = rotate_end(log);

	if (r < 0)
		diag_set(diag, r, "ending " ARCHIVE_NAME ": %s", strerrordesc_np(-r));
	return end_step(log, r, "ending " ARCHIVE_NAME);
}

int eventlog_archive_write(struct eventlog *log, uint64_t *ret_active_begin, struct diag *diag)
{
	if (log->options.read_only)
		return diag_set(diag, -EROFS, "the log is open for reading only");
	if (log->failed)
		return diag_set(diag, -EROFS, "the log is read-only");
	if (!eventlog_claim(log))
		return 1;
	if (log->sealed_fd < 0) {
		int r = lacks_end(log) ? end_archive(log, diag) : end_step(log, 1, NULL);
		return r < 0 ? r : 1;
	}
	int r = write_sealed(log);
	if (r < 0)
		return end_step(log, give_up(log, r, diag), "writing " ARCHIVE_NAME);
	*ret_active_begin = log->rotation.next->files.active_begin.off;
	return 0;
}

int eventlog_archive_finish(struct eventlog *log, struct diag *diag)
{
	int r = remove_sealed(log, &log->rotation.mark);

	if (r < 0)
		return end_step(log, give_up(log, r, diag), "writing " ARCHIVE_NAME);
	swap_layout(log);
	return end_archive(log, diag);
}
