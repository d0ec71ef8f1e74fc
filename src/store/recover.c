#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/active.h"
#include "store/durable.h"
#include "store/groups.h"
#include "store/holder.h"
#include "store/identity.h"
#include "store/lines.h"
#include "store/mangled.h"
#include "store/partial.h"
#include "store/rejoin.h"
#include "store/unfinished.h"

#define TORN_MAX (256u << 20) /* a torn line longer than this is not looked at, but cut */

static int say_held(struct diag *diag, int fd)
{
	pid_t pid = holder_find(fd);

	if (pid)
		return diag_set(diag, 1, "the log is in use: process %d holds it", (int)pid);
	return diag_set(diag, 1, "the log is in use by another process");
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* A link would be replaced by a rotation, or written through to where no rename and no sync of DATA
 * reaches. Who only reads may follow it. */
static int say_opening(struct diag *diag, int error, const char *name)
{
	if (error == -ELOOP)
		return diag_set(diag, error,
				"%s is a symbolic link: put the file itself there, or make DATA a link",
				name);
	return diag_set(diag, error, "opening %s: %s", name, strerrordesc_np(-error));
}

/* Opens for reading what has that name; *ret is -1 where nothing has. */
static int open_read(struct eventlog *log, const char *name, int *ret)
{
	int flags = log->options.read_only ? 0 : O_NOFOLLOW;
	int fd = log->disk->open(log->disk, log->dirfd, name, O_RDONLY | flags, 0);

	*ret = fd < 0 ? -1 : fd;
	return fd < 0 && fd != -ENOENT ? fd : 0;
}

/* Opens and locks app.jsonl, and once more for reading. The name may come to mean another file until the
 * lock is there: a rotation in another process. 1: held by another. */
static int open_active(struct eventlog *log, struct log_files *files, struct diag *diag)
{
	struct disk *disk = log->disk;

	for (;;) {
		int fd = disk->open(disk, log->dirfd, ACTIVE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
		if (fd < 0)
			return say_opening(diag, fd, ACTIVE_NAME);
		log->active_fd = fd;
		int r = holder_lock(disk, fd);
		if (r > 0)
			return say_held(diag, fd);
		if (r == 0)
			r = open_read(log, ACTIVE_NAME, &files->active_fd);
		if (r < 0)
			return eventlog_say(diag, r, "locking " ACTIVE_NAME);
		if (files->active_fd >= 0 && same_file(fd, files->active_fd))
			break;
		disk->close(disk, take_fd(&log->active_fd));
		closep(&files->active_fd);
		files->active_fd = -1;
	}
	/* Also where nothing was created: a process that has died may not have come to it. */
	int r = disk->sync_dir(disk, log->dirfd);
	return r < 0 ? eventlog_say(diag, r, "syncing the data directory") : 0;
}

/* The sealed file is locked too: between the two renames of a rotation it is all that shows that there
 * is a writer. */
static int open_sealed(struct eventlog *log, struct log_files *files, struct diag *diag)
{
	struct disk *disk = log->disk;
	int fd = disk->open(disk, log->dirfd, SEALED_NAME, O_RDWR | O_NOFOLLOW, 0);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return say_opening(diag, fd, SEALED_NAME);
	log->sealed_fd = fd;
	int r = holder_lock(disk, fd);
	if (r > 0)
		return say_held(diag, fd);
	if (r == 0)
		r = open_read(log, SEALED_NAME, &files->sealed_fd);
	return r < 0 ? eventlog_say(diag, r, "opening " SEALED_NAME) : 0;
}

/* What no reader of the archive can use goes to a file of its own: it may be worth a look by a person. */
static int cut_archive(struct eventlog *log, uint64_t whole, uint64_t size)
{
	struct disk *disk = log->disk;
	int fd = disk->open(disk, log->dirfd, ARCHIVE_NAME, O_RDWR | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	int r = active_keep_torn(disk, log->dirfd, fd, whole, size, ARCHIVE_TORN_NAME);
	if (r == 0)
		r = disk->truncate(disk, fd, (off_t)whole);
	if (r == 0)
		r = disk->sync(disk, fd);
	disk->close(disk, fd);
	if (r < 0)
		return r;
	log->recovered++;
	eventlog_report(log,
			"%s ends in %" PRIu64 " bytes that are no whole frame: moved to " ARCHIVE_TORN_NAME,
			ARCHIVE_NAME, size - whole);
	return 0;
}

/* How much of the archive counts, and what place in history that is. */
static int open_archive(struct eventlog *log, struct log_files *files, struct log_pos *ret_pos,
			struct diag *diag)
{
	struct disk *disk = log->disk;
	struct index_tail tail = {.last = LAST_NONE};
	bool sealed = files->sealed_fd >= 0;
	off_t size = 0;

	int r = open_read(log, ARCHIVE_NAME, &files->archive_fd);
	if (r == -ELOOP)
		return say_opening(diag, r, ARCHIVE_NAME);
	if (r == 0 && files->archive_fd >= 0) {
		size = disk->size(disk, files->archive_fd);
		r = size < 0 ? (int)size : index_probe(disk, files->archive_fd, (uint64_t)size, &tail);
		/* An END that a process has written and died before it was safe would be believed now
		 * and gone later. */
		if (r == 0 && !log->options.read_only)
			r = disk->sync(disk, files->archive_fd);
	}
	if (r < 0)
		return eventlog_say(diag, r, "reading " ARCHIVE_NAME);
	if (tail.damaged)
		eventlog_report(log, ARCHIVE_NAME " is damaged at byte %" PRIu64, tail.damaged_at);
	bool again = sealed && !index_is_ended(&tail);
	if (again) {
		r = unfinished_matches(disk, files->archive_fd, (uint64_t)size, &tail, files->sealed_fd,
				       &again);
		if (r < 0)
			return eventlog_say(diag, r, "reading " ARCHIVE_NAME);
	}
	if (again) {
		/* The sealed file is whole and the archive's part of it need not be: it will be done
		 * again. */
		tail.size = tail.begin;
		tail.pos = tail.begin_pos;
		tail.frames = tail.begin_frames;
		tail.latest = tail.begin_latest;
		tail.sha = tail.begin_sha;
	} else if (tail.size < (uint64_t)size && !log->options.read_only) {
		r = cut_archive(log, tail.size, (uint64_t)size);
		if (r < 0)
			return eventlog_say(diag, r, "cutting " ARCHIVE_NAME);
	}
	log->archive_rest = log->options.read_only ? (uint64_t)size - tail.size : 0;
	log->frames = tail.frames;
	log->latest = tail.latest;
	log->sha = tail.sha;
	log->end_missing = !sealed && tail.size > 0 && tail.last != LAST_END && !tail.damaged;
	files->archive_size = tail.size;
	*ret_pos = tail.pos;
	return 0;
}

/* A last line without its newline: completes it, or cuts it. Changes the scan accordingly. */
static int mend_tail(struct eventlog *log, struct active_scan *scan, struct diag *diag)
{
	struct disk *disk = log->disk;
	uint64_t len = scan->size - scan->whole;
	char *line auto_free = len <= TORN_MAX ? malloc(len) : NULL;
	int r = 0;

	if (len <= TORN_MAX && !line)
		return eventlog_say(diag, -ENOMEM, "mending " ACTIVE_NAME);
	if (line)
		r = disk_pread_exact(disk, log->active_fd, line, len, (off_t)scan->whole);
	if (r < 0)
		return eventlog_say(diag, r, "reading " ACTIVE_NAME);
	if (line && log->options.is_event &&
	    log->options.is_event(log->options.arg, (struct slice){line, len})) {
		size_t done;
		r = disk_pwrite_all(disk, log->active_fd, "\n", 1, (off_t)scan->size, &done);
		if (r == 0)
			r = disk->sync(disk, log->active_fd);
		if (r < 0)
			return eventlog_say(diag, r, "completing the last line of " ACTIVE_NAME);
		scan->hash = log_hash((struct slice){line, len});
		scan->lines++;
		scan->whole = ++scan->size;
		eventlog_report(log, "the last line of " ACTIVE_NAME
				     " had no newline, but is a whole event: completed");
	} else {
		r = active_keep_torn(disk, log->dirfd, log->active_fd, scan->whole, scan->size, TORN_NAME);
		if (r == 0)
			r = disk->truncate(disk, log->active_fd, (off_t)scan->whole);
		if (r == 0)
			r = disk->sync(disk, log->active_fd);
		if (r < 0)
			return eventlog_say(diag, r, "cutting the torn last line of " ACTIVE_NAME);
		scan->size = scan->whole;
		eventlog_report(log,
				"the last line of " ACTIVE_NAME " was torn: its %" PRIu64
				" bytes moved to " TORN_NAME,
				len);
	}
	log->recovered++;
	return 0;
}

/* Only damage can have taken the sealed file's last newline. Without one the first event of the active
 * log would be part of the line before it, even one that is still to come. */
static int mend_sealed(struct eventlog *log, struct active_scan *scan, struct diag *diag)
{
	struct disk *disk = log->disk;
	size_t done;

	int r = disk_pwrite_all(disk, log->sealed_fd, "\n", 1, (off_t)scan->size, &done);
	if (r == 0)
		r = disk->sync(disk, log->sealed_fd);
	if (r == 0)
		r = active_scan(disk, log->sealed_fd, UINT64_MAX, scan);
	if (r < 0)
		return eventlog_say(diag, r, "completing the last line of " SEALED_NAME);
	log->recovered++;
	eventlog_report(log, "the last line of " SEALED_NAME " had no newline: completed");
	return 0;
}

/* Moves a place on by a file's whole content. */
static void pos_add(struct log_pos *pos, const struct active_scan *scan)
{
	pos->off += scan->whole;
	pos->seq += scan->lines;
	if (scan->lines)
		pos->hash = scan->hash;
}

/* What of the active file was promised and is not there comes back, and what was not and is there in part
 * goes. *ret_end: how much of it counts. */
static int mend_active(struct eventlog *log, struct log_files *files, const struct log_pos *begin,
		       uint64_t *ret_end, struct diag *diag)
{
	bool reads = log->options.read_only;
	struct rejoined known;

	int r = reads ? rejoin_show(log, files, begin, &known, diag)
		      : rejoin_write(log, files, begin, &known, diag);
	if (r < 0)
		return r;
	*ret_end = UINT64_MAX;
	if (!known.apart)
		r = partial_find(log, files->active_fd, begin->off, known.sure, ret_end);
	if (r == 0 && !reads && !log->failed) {
		r = known.apart ? 0 : partial_cut(log, *ret_end);
		/* Only now: it moves what stands behind. */
		if (r == 0 && known.any)
			r = mangled_drop(log, files, known.sure, known.shared || log->options.shared);
		*ret_end = UINT64_MAX;
	}
	return r < 0 ? eventlog_say(diag, r, "mending " ACTIVE_NAME) : 0;
}

static int forget_uncertain(struct eventlog *log, struct diag *diag)
{
	int r = rejoin_end(log);

	if (r < 0)
		return eventlog_say(diag, r, "removing " JOURNAL_NAME);
	r = groups_remove(log);
	return r < 0 ? eventlog_say(diag, r, "removing " GROUPS_NAME) : 0;
}

static int scan_active(struct eventlog *log, struct log_files *files, struct log_pos *pos, struct diag *diag)
{
	struct active_scan scan;
	uint64_t end;

	int r = mend_active(log, files, pos, &end, diag);
	if (r < 0)
		return r;
	r = active_scan(log->disk, files->active_fd, end, &scan);
	if (r < 0)
		return eventlog_say(diag, r, "reading " ACTIVE_NAME);
	bool mends = !log->options.read_only && !log->failed;
	if (scan.whole < scan.size && mends) {
		r = mend_tail(log, &scan, diag);
		if (r < 0)
			return r;
	}
	/* What a process that has died did not sync is shown from now on, so it has to stay. */
	if (mends) {
		r = log->disk->sync(log->disk, log->active_fd);
		if (r < 0)
			return eventlog_say(diag, r, "syncing " ACTIVE_NAME);
		r = forget_uncertain(log, diag);
		if (r < 0)
			return r;
	}
	log->active_size = scan.whole;
	end = min(end, scan.size);
	log->active_rest = end - scan.whole;
	log->group_rest = scan.size - end;
	pos_add(pos, &scan);
	return 0;
}

/* Once the files are open and their places known: what they hold. */
static int scan_files(struct eventlog *log, struct log_files *files, const struct log_pos *begin,
		      struct diag *diag)
{
	struct active_scan scan;
	struct log_pos pos = *begin;

	if (files->sealed_fd >= 0) {
		files->sealed_begin = pos;
		int r = active_scan(log->disk, files->sealed_fd, UINT64_MAX, &scan);
		if (r < 0)
			return eventlog_say(diag, r, "reading " SEALED_NAME);
		if (scan.whole < scan.size && !log->options.read_only) {
			r = mend_sealed(log, &scan, diag);
			if (r < 0)
				return r;
		}
		scan.whole = scan.size; /* all of it goes to the archive, whatever it is */
		pos_add(&pos, &scan);
	}
	files->active_begin = pos;
	if (files->active_fd >= 0) {
		int r = scan_active(log, files, &pos, diag);
		if (r < 0)
			return r;
	}
	log->head = pos;
	durable_begin(log, pos.off);
	return 0;
}

static int open_files(struct eventlog *log, struct log_files *files, struct log_pos *begin, struct diag *diag)
{
	int r = open_active(log, files, diag);

	if (r == 0)
		r = open_sealed(log, files, diag);
	if (r == 0)
		r = open_archive(log, files, begin, diag);
	if (r)
		return r;
	if (identity_take(log, ACTIVE_NAME, &log->active_is) < 0 ||
	    identity_take(log, SEALED_NAME, &log->sealed_is) < 0 ||
	    identity_take(log, ARCHIVE_NAME, &log->archive_is) < 0)
		return eventlog_say(diag, -EIO, "looking at the log's files");
	log->archive_rests = log->archive_is.size > files->archive_size;
	r = log->disk->unlink(log->disk, log->dirfd, FRESH_NAME);
	return r < 0 && r != -ENOENT ? eventlog_say(diag, r, "removing " FRESH_NAME) : 0;
}

static int still_named(struct eventlog *log, const char *name, int fd, bool *stable)
{
	int now auto_close = -1;
	int r = open_read(log, name, &now);

	*stable = *stable && (now < 0 ? fd < 0 : fd >= 0 && same_file(now, fd));
	return r;
}

/* Without a lock: a writer may be rotating at this moment. What it moves goes from the active file to
 * the sealed one to the archive, so they are opened in that order, and again until nothing has changed
 * meanwhile. */
static int open_files_unlocked(struct eventlog *log, struct log_files *files, struct log_pos *begin,
			       struct diag *diag)
{
	for (;;) {
		bool stable = true;
		int r = open_read(log, ACTIVE_NAME, &files->active_fd);
		if (r == 0)
			r = open_read(log, SEALED_NAME, &files->sealed_fd);
		if (r < 0)
			return eventlog_say(diag, r, "opening the log");
		r = open_archive(log, files, begin, diag);
		if (r == 0)
			r = still_named(log, ACTIVE_NAME, files->active_fd, &stable);
		if (r == 0)
			r = still_named(log, SEALED_NAME, files->sealed_fd, &stable);
		if (r == 0)
			r = still_named(log, ARCHIVE_NAME, files->archive_fd, &stable);
		if (r < 0 || stable)
			return r;
		log_files_deinit(files);
	}
}

int recover(struct eventlog *log, struct diag *diag)
{
	struct log_files files cleanup(log_files_deinit) = LOG_FILES_NONE;
	struct log_pos begin = {0};
	struct layout *layout;

	int r = log->options.read_only ? open_files_unlocked(log, &files, &begin, diag)
				       : open_files(log, &files, &begin, diag);
	if (r == 0)
		r = scan_files(log, &files, &begin, diag);
	if (r)
		return r;
	bool sealed = files.sealed_fd >= 0;
	r = layout_new(&layout, &files);
	if (r < 0)
		return eventlog_say(diag, r, "opening the log");
	eventlog_set_layout(log, layout, log->frames);
	if (log->options.read_only)
		return 0;
	if (disk_names(log->active_fd) > 1)
		eventlog_report(log, ACTIVE_NAME
				" has another name (a hard link): what is appended appears there as well");
	if (sealed) {
		log->recovered++;
		eventlog_report(log, "a rotation was under way: its second half is still to be done");
	}
	/* An END can wait until the next rotation needs it, so a full disk does not matter here. */
	if (log->end_missing && !log->failed && rotate_end(log) < 0)
		eventlog_report(log, ARCHIVE_NAME " has no end record yet: writing it failed");
	return 0;
}
