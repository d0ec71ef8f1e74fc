#include "store/eventlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "store/durable.h"
#include "store/groups.h"
#include "store/identity.h"
#include "store/lines.h"
#include "store/proposed.h"
#include "store/sha.h"

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

void eventlog_report(struct eventlog *log, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (!log->options.report)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log->options.report(log->options.arg, text);
}

int eventlog_say(struct diag *diag, int error, const char *what)
{
	return diag_set(diag, error, "%s: %s", what, strerrordesc_np(-error));
}

int eventlog_fail(struct eventlog *log, int error, const char *what)
{
	pthread_mutex_lock(&log->lock);
	bool first = !log->failed;
	if (first)
		snprintf(log->why, sizeof(log->why), "%s%s%s", what, error ? ": " : "",
			 error ? strerrordesc_np(-error) : "");
	log->failed = true;
	pthread_mutex_unlock(&log->lock);
	/* Nobody changes `why` after the first. */
	if (first)
		eventlog_report(log, "the log is read-only from now on: %s", log->why);
	/* Whatever the system called it: a sync can fail for want of room too, and must not pass for a
	 * full disk. */
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
	log->rotation = ROTATION_NONE;
	pthread_mutex_init(&log->lock, NULL);
	int r = recover(log, diag);
	if (r == 0 && !options->read_only && !log->failed)
		proposed_open(log);
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
	durable_end(log);
	groups_free(log->groups);
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

/* What a failed write has left behind its last good byte must not become part of the log. Nothing
 * depends on this: it only makes it likelier that the next open finds nothing to mend. */
static void cut_best_effort(struct eventlog *log)
{
	eventlog_ahead_is_taken(log);
	if (disk_cut(log->disk, log->active_fd, (off_t)log->active_size) == 0)
		(void)!log->disk->sync(log->disk, log->active_fd);
}

static int fail_append(struct eventlog *log, int error, const char *what)
{
	cut_best_effort(log);
	return eventlog_fail(log, error, what);
}

/* The lines are in the file, and on disk if they are to be: moves the head. `took`: how long that took in
 * µs, 0: they are not synced; kept as an average over about the last eight. `grouped`: how much of the lines
 * it is to behind the last group; 0: there is none. */
static void commit(struct eventlog *log, struct slice lines, uint64_t took, size_t grouped)
{
	size_t last = lines_whole(lines.data, lines.len - 1);
	uint64_t hash = log_hash((struct slice){lines.data + last, lines.len - 1 - last});
	struct slice rest = slice_skip(lines, log->ahead);
	uint64_t n = log->ahead_lines + lines_count(rest.data, rest.len);

	log->active_size += lines.len;
	eventlog_ahead_is_taken(log);
	pthread_mutex_lock(&log->lock);
	if (unlikely(grouped > 0))
		atomic_store_explicit(&log->grouped, log->head.off + grouped, memory_order_relaxed);
	log->head.off += lines.len;
	log->head.seq += n;
	log->head.hash = hash;
	log->appended += n;
	log->commits++;
	if (took)
		log->sync_us = log->sync_us ? (7 * log->sync_us + took) / 8 : took;
	pthread_mutex_unlock(&log->lock);
	if (unlikely(log->aside))
		proposed_pass(log);
}

bool eventlog_is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

int eventlog_append(struct eventlog *log, struct slice lines, bool sync, size_t *ret_len)
{
	return eventlog_append_groups(log, lines, NULL, 0, sync, ret_len);
}

/* To behind the last group that is among the lines. */
static size_t group_end(struct slice lines, const struct log_group *groups, size_t n)
{
	while (n > 0 && groups[n - 1].at >= lines.len)
		n--;
	return n > 0 ? groups[n - 1].at + groups[n - 1].len : 0;
}

/* How much of what went in is whole. */
static size_t whole_of(struct slice lines, size_t done, const struct log_group *groups, size_t n)
{
	size_t whole = lines_whole(lines.data, done);

	for (size_t i = 0; i < n; i++)
		if (groups[i].at < whole && whole < groups[i].at + groups[i].len)
			return groups[i].at;
	return whole;
}

/* Notes the groups. Where there is no room for that, what stands before the first one may still find some:
 * then the error is full, and *lines and *n are what is left. */
static int note(struct eventlog *log, struct slice *lines, const struct log_group *groups, size_t *n)
{
	int r = groups_note(log, *lines, groups, *n);

	if (r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	if (!eventlog_is_full(r))
		return eventlog_fail(log, r, "noting groups in " GROUPS_NAME);
	lines->len = groups[0].at;
	*n = 0;
	return r;
}

/* Writes what finds room, whole lines and whole groups of them. */
static int write_lines(struct eventlog *log, struct slice *lines, const struct log_group *groups, size_t n)
{
	struct disk *disk = log->disk;
	struct slice rest = slice_skip(*lines, log->ahead);
	size_t done;

	int result = disk_pwrite_all(disk, log->active_fd, rest.data, rest.len,
				     (off_t)(log->active_size + log->ahead), &done);
	done += log->ahead;
	if (result == 0)
		return 0;
	if (!eventlog_is_full(result))
		return fail_append(log, result, "writing to " ACTIVE_NAME);
	/* The part of a line that has gone in must be off the disk before anybody is told that it did not
	 * fit: a crash could make an event of it. So this is synced even where the caller does not ask for
	 * it. */
	lines->len = whole_of(*lines, done, groups, n);
	int r = disk->truncate(disk, log->active_fd, (off_t)(log->active_size + lines->len));
	return r < 0 ? fail_append(log, r, "cutting " ACTIVE_NAME " after a full disk") : result;
}

int eventlog_append_groups(struct eventlog *log, struct slice lines, const struct log_group *groups, size_t n,
			   bool sync, size_t *ret_len)
{
	uint64_t took = 0;
	int result;

	*ret_len = 0;
	if (log->failed || log->options.read_only)
		return -EROFS;
	if (lines.len == 0)
		return 0;
	/* What decides about the proposal is there before that goes. */
	sync |= log->aside;
	result = identity_check_active(log);
	if (result < 0)
		return result;
	size_t noted = n;
	if (unlikely(n > 0)) {
		result = note(log, &lines, groups, &noted);
		if (result < 0 && (!eventlog_is_full(result) || lines.len == 0))
			return result;
	}
	int r = write_lines(log, &lines, groups, noted);
	if (r < 0 && !eventlog_is_full(r))
		return r;
	result = r < 0 ? r : result;
	if (sync || result < 0) {
		uint64_t begin = clock_us(), before;
		r = durable_lines(log, lines, result < 0, &before);
		if (r < 0)
			return fail_append(log, r, "syncing " ACTIVE_NAME);
		took = before + clock_us() - begin;
	}
	/* Before anything else can come to stand there. */
	if (unlikely(noted > 0 && result < 0)) {
		r = groups_take_back(log);
		if (r < 0)
			return fail_append(log, r, "taking back a note in " GROUPS_NAME);
	}
	if (lines.len)
		commit(log, lines, took, group_end(lines, groups, noted));
	*ret_len = lines.len;
	return result;
}

uint64_t eventlog_grouped(struct eventlog *log)
{
	return atomic_load_explicit(&log->grouped, memory_order_relaxed);
}

int eventlog_check(struct eventlog *log)
{
	if (log->failed || log->options.read_only)
		return -EROFS;
	return identity_check_active(log);
}

int eventlog_sync(struct eventlog *log)
{
	int r = eventlog_check(log);

	if (r < 0)
		return r;
	r = durable_sync(log);
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
	    .proven = sha_is_known(&log->sha),
	    .commits = log->commits,
	    .appended = log->appended,
	    .recovered = log->recovered,
	    .active_rest = log->active_rest,
	    .archive_rest = log->archive_rest,
	    .group_rest = log->group_rest,
	    .journal_rest = log->journal_rest,
	    .rotating = f->sealed_fd >= 0,
	    .failed = log->failed,
	    .settled = log->settled,
	    .journal = log->journal_on,
	    .sync_us = log->sync_us,
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
	bool held = disk->is_locked(disk, fd) > 0;
	disk->close(disk, fd);
	return held;
}

uint64_t eventlog_changed(struct eventlog *log)
{
	static const char *const names[] = {ACTIVE_NAME, SEALED_NAME, ARCHIVE_NAME};
	struct disk *disk = log->disk;
	uint64_t active = 0, changed;
	struct disk_file file;

	for (size_t i = 0; i < countof(names); i++) {
		if (disk->look(disk, log->dirfd, names[i], &file) < 0 ||
		    disk->changed(disk, log->dirfd, names[i], &changed) < 0)
			continue;
		if (file.size > 0)
			return changed;
		if (i == 0)
			active = changed;
	}
	return active;
}
