#include "store/mangled.h"

#include <errno.h>

#include "store/active.h"
#include "store/fresh.h"
#include "store/lines.h"

#define LOOK_MAX (256u << 20) /* more than this is not looked through */

/* Splits what stands from `from` on into events and the rest; what has no newline is neither, and stays.
 * Where the order is others', too, nothing stands behind a hole: it comes again from them. */
static int sort_lines(struct eventlog *log, const struct buf *text, bool shared, struct buf *good,
		      struct buf *torn)
{
	unsigned bad = 0;

	for (size_t at = 0; at < text->len;) {
		const char *line = text->data + at, *nl = memchr(line, '\n', text->len - at);
		size_t len = nl ? (size_t)(nl - line) + 1 : text->len - at;
		bool stays = !nl || log->options.is_event(log->options.arg, (struct slice){line, len - 1});
		stays &= bad == 0 || !shared;
		buf_add(stays ? good : torn, line, len);
		bad += !stays;
		at += len;
	}
	return buf_error(good) < 0 || buf_error(torn) < 0 ? -ENOMEM : (int)min(bad, 1u);
}

/* The active file with another end, as a new one in its place: after a crash it is either. */
static int replace_end(struct eventlog *log, struct log_files *files, uint64_t from, const struct buf *end)
{
	struct disk *disk = log->disk;
	struct fresh fresh;
	size_t done;

	int r = fresh_open(log, &fresh);
	if (r < 0)
		return r;
	disk_resemble(fresh.fd, log->active_fd);
	r = disk_copy(disk, log->active_fd, 0, from, disk, fresh.fd, 0);
	if (r == 0)
		r = disk_pwrite_all(disk, fresh.fd, end->data, end->len, (off_t)from, &done);
	if (r == 0)
		r = disk->sync(disk, fresh.fd);
	if (r == 0)
		r = disk->rename(disk, log->dirfd, FRESH_NAME, ACTIVE_NAME);
	if (r < 0) {
		fresh_drop(log, &fresh);
		return r;
	}
	disk->close(disk, log->active_fd);
	log->active_fd = fresh.fd;
	log->active_is = fresh.is;
	closep(&files->active_fd);
	files->active_fd = fresh.read_fd;
	return disk->sync_dir(disk, log->dirfd);
}

int mangled_drop(struct eventlog *log, struct log_files *files, uint64_t from, bool shared)
{
	auto_buf struct buf text = {0}, good = {0}, torn = {0};

	if (!log->options.is_event)
		return 0;
	off_t size = log->disk->size(log->disk, log->active_fd);
	if (size < 0 || (uint64_t)size <= from)
		return (int)min(size, (off_t)0);
	int r = lines_begin_at(log->disk, log->active_fd, from);
	if (r <= 0)
		return r;
	r = disk_read_from(log->disk, log->active_fd, from, LOOK_MAX, &text);
	if (r < 0 || text.len == LOOK_MAX)
		return r;
	r = sort_lines(log, &text, shared, &good, &torn);
	if (r <= 0)
		return r;
	r = active_keep_lines(log->disk, log->dirfd, log->active_fd, buf_slice(&torn), TORN_NAME);
	if (r == 0)
		r = replace_end(log, files, from, &good);
	if (eventlog_is_full(r)) {
		eventlog_report(log, "no room to take mangled lines out of " ACTIVE_NAME
				     ": they stay, and are passed over");
		return 0;
	}
	if (r < 0)
		return r;
	log->recovered++;
	eventlog_report(log, "lines of " ACTIVE_NAME " that a power cut had mangled: moved to " TORN_NAME);
	return 0;
}
