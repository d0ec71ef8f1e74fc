/* Rotation, first half: see eventlog_seal(). */
#include <assert.h>
#include <errno.h>

#include "store/archive.h"
#include "store/durable.h"
#include "store/fresh.h"
#include "store/identity.h"

/* The two renames. Each is made durable before the next: a crash must never find the fresh file in the
 * place of the old one while the old one has not got its new name. */
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
		/* There is no way back, and without this sync the fresh file might not be found after a
		 * crash. */
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

/* What has to be so before the files are renamed. */
static int prepare(struct eventlog *log)
{
	struct layout *l cleanup(layout_unrefp) = eventlog_layout(log);
	struct archive_mark mark = rotate_mark(log, l);
	struct disk_file sealed_is;

	int r = log->end_missing ? rotate_end(log) : identity_check_archive(log, &mark);
	if (r == 0)
		r = identity_take(log, SEALED_NAME, &sealed_is);
	/* Somebody else's: it would be replaced. */
	if (r == 0 && sealed_is.inode != 0)
		r = -EEXIST;
	if (r == 0)
		r = eventlog_sync(log);
	return r < 0 ? r : durable_mark(log);
}

static int swap_in(struct eventlog *log, struct fresh *fresh)
{
	int r = fresh_open(log, fresh);

	if (r < 0)
		return r;
	r = swap(log);
	if (r < 0)
		fresh_drop(log, fresh);
	return r;
}

static int seal(struct eventlog *log)
{
	assert(log->ahead == 0);
	if (log->active_size == 0)
		return 1;
	int r = prepare(log);
	if (r < 0)
		return r;
	struct layout *old cleanup(layout_unrefp) = eventlog_layout(log), *next;
	struct log_pos head = eventlog_head(log);
	struct log_files files;
	struct fresh fresh;
	r = log_files_dup(&old->files, &files);
	if (r == 0)
		r = layout_new(&next, &files);
	if (r < 0)
		return r;
	r = swap_in(log, &fresh);
	if (r < 0) {
		layout_unref(next);
		return r;
	}
	next->files.sealed_fd = next->files.active_fd;
	next->files.sealed_begin = next->files.active_begin;
	next->files.active_fd = fresh.read_fd;
	next->files.active_begin = head;
	log->sealed_fd = log->active_fd;
	log->sealed_is = log->active_is;
	log->active_fd = fresh.fd;
	log->active_is = fresh.is;
	log->active_size = 0;
	eventlog_set_layout(log, next, log->frames);
	return 0;
}

/* Sets `busy`, but not where a sealed file waits: whoever archives it must not find the log busy for
 * nothing. */
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
	rotate_note(log, r, "sealing " ACTIVE_NAME);
	eventlog_release(log);
	return r;
}
