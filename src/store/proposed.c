#include "store/proposed.h"

#include <errno.h>

#include "store/active.h"

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
	if (!eventlog_is_full(r) || !log->options.shared)
		return r;
	eventlog_report(log,
			"there is no room for " PROPOSED_NAME ", which would keep what was proposed last");
	return 0;
}

static bool is_there(struct eventlog *log)
{
	struct disk_file file;

	return log->disk->look(log->disk, log->dirfd, PROPOSED_NAME, &file) == 0;
}

void proposed_say(struct eventlog *log, const struct journal_record *proposal)
{
	if (proposal->lines.len > 0 || is_there(log))
		eventlog_report(log,
				"what was proposed to other machines last before a crash is not in the log: "
				"where they have lost its order, eventfold cluster begin appends it");
}

void proposed_open(struct eventlog *log)
{
	bool there = is_there(log);

	log->aside = there && log->options.shared;
	if (!there || log->options.decides)
		return;
	eventlog_report(log, "%s",
			log->aside
			    ? "what was proposed last before a crash stands in " PROPOSED_NAME
			      " until the others have said whether it was appended"
			    : "what was proposed to other machines last before a crash is not in the log, "
			      "but in " PROPOSED_NAME ": if this log is not shared any more, eventfold "
			      "recover appends it");
}

static void drop(struct eventlog *log)
{
	log->aside = false;
	if (log->disk->unlink(log->disk, log->dirfd, PROPOSED_NAME) == 0)
		(void)!log->disk->sync_dir(log->disk, log->dirfd);
}

/* The log has gone on otherwise. It may have been acknowledged, so it does not go without a word. */
static int put_by(struct eventlog *log, const struct journal_record *proposal)
{
	int r = active_keep_lines(log->disk, log->dirfd, log->active_fd, proposal->lines, TORN_NAME);

	if (r < 0)
		return r;
	eventlog_report(log,
			"what was proposed last before a crash is not in the order: moved to " TORN_NAME);
	drop(log);
	return 0;
}

/* What the log lacks of it, if that is all that it lacks. */
static struct slice rest_of(const struct journal_record *proposal, const struct log_pos *head)
{
	if (head->off < proposal->off || head->off - proposal->off >= proposal->lines.len)
		return (struct slice){0};
	return slice_skip(proposal->lines, (size_t)(head->off - proposal->off));
}

/* 1: the log ends where the proposal begins, or within it. */
static int goes_on(struct eventlog *log, const struct journal_record *proposal, const struct log_pos *head,
		   struct slice rest)
{
	if (rest.len == proposal->lines.len)
		return proposal->before == 0 || proposal->before == head->hash;
	if (rest.len == 0)
		return 0;
	return has(log, head->off - log->active_size, proposal->off,
		   (struct slice){proposal->lines.data, proposal->lines.len - rest.len});
}

/* As one group: it goes on being there, or is in the log. */
static int append_rest(struct eventlog *log, const struct journal_record *proposal)
{
	struct log_pos head = eventlog_head(log);
	struct slice rest = rest_of(proposal, &head);
	struct log_group whole = {.len = rest.len};
	size_t done;

	int r = goes_on(log, proposal, &head, rest);
	if (r <= 0)
		return r < 0 ? r : put_by(log, proposal);
	log->aside = false;
	r = eventlog_append_groups(log, rest, &whole, 1, true, &done);
	log->aside = r < 0;
	if (r < 0)
		return r;
	eventlog_report(log, "what was proposed last before a crash is appended: %zu bytes", rest.len);
	drop(log);
	return 0;
}

/* 1: the log has it, at its place. */
static int is_in(struct eventlog *log, const struct journal_record *proposal)
{
	return has(log, eventlog_head(log).off - log->active_size, proposal->off, proposal->lines);
}

/* Where the log does not have it: `missing`. */
static int decide(struct eventlog *log,
		  int (*missing)(struct eventlog *log, const struct journal_record *proposal))
{
	struct journal_content content;

	int r = journal_load(&content, log->disk, log->dirfd, PROPOSED_NAME);
	if (r < 0)
		return r;
	const struct journal_record *proposal = content.records;
	r = content.n > 0 ? is_in(log, proposal) : -EBADMSG;
	if (r > 0)
		drop(log);
	else if (r == 0)
		r = missing(log, proposal);
	journal_content_deinit(&content);
	return min(r, 0);
}

bool eventlog_has_proposed(struct eventlog *log)
{
	return log->aside;
}

int eventlog_take_proposed(struct eventlog *log)
{
	return log->aside ? decide(log, append_rest) : 0;
}

void proposed_pass(struct eventlog *log)
{
	/* Where that can't be done it stays, and the next opening tells of it. */
	log->aside = false;
	(void)!decide(log, put_by);
}
