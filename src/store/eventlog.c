#include "store/eventlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "store/identity.h"
#include "store/lines.h"

int layout_new(struct layout **ret, struct log_files *files)
{
	struct layout *l = calloc(1, sizeof(*l));

	if (!l) {
		log_files_deinit(files);
		return -ENOMEM;
	}
	l->refs = 1;
	l->files = *files;
	*files = LOG_FILES_NONE;
	*ret = l;
	return 0;
}

void layout_unref(struct layout *l)
{
	if (!l || --l->refs)
		return;
	log_files_deinit(&l->files);
	free(l);
}

struct layout *eventlog_layout(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	struct layout *l = log->layout;
	l->refs++;
	pthread_mutex_unlock(&log->lock);
	return l;
}

void eventlog_set_layout(struct eventlog *log, struct layout *layout, uint64_t frames)
{
	pthread_mutex_lock(&log->lock);
	struct layout *old = log->layout;
	log->layout = layout;
	log->generation++;
	log->frames = frames;
	pthread_mutex_unlock(&log->lock);
	layout_unref(old);
}

int eventlog_fail(struct eventlog *log, int error, const char *what)
{
	char text[sizeof(log->why) + 64];

	pthread_mutex_lock(&log->lock);
	bool first = !log->failed;
	if (first)
		snprintf(log->why, sizeof(log->why), "%s%s%s", what, error ? ": " : "",
			 error ? strerrordesc_np(-error) : "");
	log->failed = true;
	snprintf(text, sizeof(text), "the log is read-only from now on: %s", log->why);
	pthread_mutex_unlock(&log->lock);
	if (first && log->options.report)
		log->options.report(log->options.arg, text);
	/* Whatever the system called it: a sync can fail for want of room too, and must not pass for a full disk. */
	return -EIO;
}

bool eventlog_claim(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	bool claimed = !log->busy;
	log->busy = true;
	pthread_mutex_unlock(&log->lock);
	return claimed;
}

void eventlog_release(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	log->busy = false;
	pthread_mutex_unlock(&log->lock);
}

int eventlog_open(struct eventlog **ret, struct disk *disk, int dirfd, const struct eventlog_options *options,
		  struct diag *diag)
{
	struct eventlog *log = calloc(1, sizeof(*log));

	if (!log)
		return diag_set(diag, -ENOMEM, "no memory for the log");
	log->disk = disk;
	log->dirfd = dirfd;
	log->options = *options;
	log->active_fd = log->sealed_fd = -1;
	pthread_mutex_init(&log->lock, NULL);
	int r = recover(log, diag);
	if (r) {
		eventlog_close(log);
		return r;
	}
	*ret = log;
	return 0;
}

void eventlog_close(struct eventlog *log)
{
	if (!log)
		return;
	if (log->active_fd >= 0)
		log->disk->close(log->disk, log->active_fd);
	if (log->sealed_fd >= 0)
		log->disk->close(log->disk, log->sealed_fd);
	layout_unref(log->layout);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

struct log_pos eventlog_head(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	struct log_pos head = log->head;
	pthread_mutex_unlock(&log->lock);
	return head;
}

/* What a failed write has left behind its last good byte must not become part of the log. Nothing depends on this: it only
 * makes it likelier that the next open finds nothing to mend. */
static void cut_best_effort(struct eventlog *log)
{
	if (disk_cut(log->disk, log->active_fd, (off_t)log->active_size) == 0)
		(void)!log->disk->sync(log->disk, log->active_fd);
}

static int fail_append(struct eventlog *log, int error, const char *what)
{
	cut_best_effort(log);
	return eventlog_fail(log, error, what);
}

/* The lines are in the file, and on disk if they are to be: moves the head. */
static void commit(struct eventlog *log, struct slice lines)
{
	size_t last = lines_whole(lines.data, lines.len - 1);
	uint64_t hash = log_hash((struct slice){lines.data + last, lines.len - 1 - last});
	uint64_t n = lines_count(lines.data, lines.len);

	log->active_size += lines.len;
	pthread_mutex_lock(&log->lock);
	log->head.off += lines.len;
	log->head.seq += n;
	log->head.hash = hash;
	log->appended += n;
	log->commits++;
	pthread_mutex_unlock(&log->lock);
}

bool eventlog_is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

int eventlog_append(struct eventlog *log, struct slice lines, bool sync, size_t *ret_len)
{
	struct disk *disk = log->disk;
	size_t done;

	*ret_len = 0;
	if (log->failed || log->options.read_only)
		return -EROFS;
	if (lines.len == 0)
		return 0;
	int result = identity_check_active(log);
	if (result < 0)
		return result;
	result = disk_pwrite_all(disk, log->active_fd, lines.data, lines.len, (off_t)log->active_size, &done);
	if (result < 0 && !eventlog_is_full(result))
		return fail_append(log, result, "writing to " ACTIVE_NAME);
	if (result < 0) {
		/* The part of a line that has gone in must be off the disk before anybody is told that it did not fit: a
		 * crash could make an event of it. So this is synced even where the caller does not ask for it. */
		lines.len = lines_whole(lines.data, done);
		int r = disk->truncate(disk, log->active_fd, (off_t)(log->active_size + lines.len));
		if (r < 0)
			return fail_append(log, r, "cutting " ACTIVE_NAME " after a full disk");
		sync = true;
	}
	if (sync) {
		int r = disk->sync(disk, log->active_fd);
		if (r < 0)
			return fail_append(log, r, "syncing " ACTIVE_NAME);
	}
	if (lines.len)
		commit(log, lines);
	*ret_len = lines.len;
	return result;
}

int eventlog_sync(struct eventlog *log)
{
	if (log->failed || log->options.read_only)
		return -EROFS;
	int r = identity_check_active(log);
	if (r < 0)
		return r;
	r = log->disk->sync(log->disk, log->active_fd);
	return r < 0 ? eventlog_fail(log, r, "syncing " ACTIVE_NAME) : 0;
}

int eventlog_files(struct eventlog *log, struct log_files *ret)
{
	pthread_mutex_lock(&log->lock);
	struct layout *l = log->layout;
	l->refs++;
	uint64_t generation = log->generation;
	pthread_mutex_unlock(&log->lock);
	int r = log_files_dup(&l->files, ret);
	ret->generation = generation;
	layout_unref(l);
	return r;
}

uint64_t eventlog_generation(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	uint64_t generation = log->generation;
	pthread_mutex_unlock(&log->lock);
	return generation;
}

void eventlog_look_again(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	log->generation++;
	pthread_mutex_unlock(&log->lock);
}

void eventlog_stats(struct eventlog *log, struct eventlog_stats *ret)
{
	pthread_mutex_lock(&log->lock);
	const struct log_files *f = &log->layout->files;
	*ret = (struct eventlog_stats){
	    .head = log->head,
	    .active_bytes = log->head.off - f->active_begin.off,
	    .archived_bytes = f->sealed_fd >= 0 ? f->sealed_begin.off : f->active_begin.off,
	    .archive_size = f->archive_size,
	    .frames = log->frames,
	    .commits = log->commits,
	    .appended = log->appended,
	    .recovered = log->recovered,
	    .active_rest = log->active_rest,
	    .archive_rest = log->archive_rest,
	    .rotating = f->sealed_fd >= 0,
	    .failed = log->failed,
	};
	memcpy(ret->why, log->why, sizeof(ret->why));
	memcpy(ret->rotation_why, log->rotation_why, sizeof(ret->rotation_why));
	pthread_mutex_unlock(&log->lock);
}

bool eventlog_is_held(struct eventlog *log)
{
	struct disk *disk = log->disk;
	int fd = disk->open(disk, log->dirfd, ACTIVE_NAME, O_RDONLY, 0);

	/* Between the two renames of a rotation. */
	if (fd == -ENOENT)
		fd = disk->open(disk, log->dirfd, SEALED_NAME, O_RDONLY, 0);
	if (fd < 0)
		return false;
	bool held = disk->lock(disk, fd) > 0;
	disk->close(disk, fd);
	return held;
}

uint64_t eventlog_changed(struct eventlog *log)
{
	static const char *const names[] = {ACTIVE_NAME, SEALED_NAME, ARCHIVE_NAME};
	struct disk_file file, active = {0};

	for (size_t i = 0; i < countof(names); i++) {
		if (log->disk->look(log->disk, log->dirfd, names[i], &file) < 0)
			continue;
		if (file.size > 0)
			return file.changed;
		if (i == 0)
			active = file;
	}
	return active.changed;
}
