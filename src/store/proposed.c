#include "store/proposed.h"

#include <errno.h>

/* 1: the active file has these bytes there. */
static int has(struct eventlog *log, uint64_t begin, uint64_t off, struct slice lines)
{
	auto_buf struct buf there = {0};

	if (off < begin)
		return 0;
	int r = disk_read_from(log->disk, log->active_fd, off - begin, lines.len, &there);
	return r < 0 ? r : slice_eq(buf_slice(&there), lines);
}

int proposed_keep(struct eventlog *log, const struct journal_record *proposal, uint64_t begin)
{
	const struct log_pos at = {.off = proposal->off, .hash = proposal->before};

	if (proposal->lines.len == 0)
		return 0;
	int r = has(log, begin, proposal->off, proposal->lines);
	if (r != 0)
		return min(r, 0);
	r = journal_replace(log->disk, log->dirfd, PROPOSED_NAME, &at, proposal->lines);
	if (!eventlog_is_full(r))
		return r;
	eventlog_report(log,
			"there is no room for " PROPOSED_NAME ", which would keep what was proposed last");
	return 0;
}

/* What the log lacks of it, if that is all that it lacks. */
static struct slice rest_of(const struct journal_record *proposal, const struct log_pos *head)
{
	if (head->off < proposal->off || head->off - proposal->off >= proposal->lines.len)
		return (struct slice){0};
	return slice_skip(proposal->lines, (size_t)(head->off - proposal->off));
}

static int append_rest(struct eventlog *log, const struct journal_record *proposal)
{
	struct log_pos head = eventlog_head(log);
	struct slice rest = rest_of(proposal, &head);
	size_t done;
	int goes_on = 0;

	if (rest.len == proposal->lines.len)
		goes_on = proposal->before == 0 || proposal->before == head.hash;
	else if (rest.len > 0)
		goes_on = has(log, head.off - log->active_size, proposal->off,
			      (struct slice){proposal->lines.data, proposal->lines.len - rest.len});
	if (goes_on < 0)
		return goes_on;
	if (goes_on == 0) {
		proposed_drop(log);
		return 0;
	}
	eventlog_report(log, "what was proposed last before a crash is appended: %zu bytes", rest.len);
	return eventlog_append(log, rest, true, &done);
}

static int take(struct eventlog *log)
{
	struct journal_content content;

	int r = journal_load(&content, log->disk, log->dirfd, PROPOSED_NAME);
	if (r < 0)
		return r;
	if (content.n > 0)
		r = append_rest(log, &content.records[0]);
	journal_content_deinit(&content);
	return r;
}

int proposed_open(struct eventlog *log)
{
	const struct eventlog_options *o = &log->options;
	struct disk_file file;

	int r = log->disk->look(log->disk, log->dirfd, PROPOSED_NAME, &file);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	log->aside = o->shared || o->takes_proposed;
	if (o->takes_proposed)
		return take(log);
	if (!o->decides)
		eventlog_report(log, "%s",
				o->shared
				    ? "what was proposed last before a crash stands in " PROPOSED_NAME
				      " until the others have said whether it was appended"
				    : "what was proposed to other machines last before a crash is not in the "
				      "log, but in " PROPOSED_NAME ": eventfold recover appends it");
	return 0;
}

void proposed_drop(struct eventlog *log)
{
	log->aside = false;
	if (log->disk->unlink(log->disk, log->dirfd, PROPOSED_NAME) == 0)
		(void)!log->disk->sync_dir(log->disk, log->dirfd);
}
