#include "store/rejoin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "store/active.h"
#include "store/behind.h"
#include "store/lines.h"
#include "store/proposed.h"
#include "store/reader.h"

#define LINE_ROOM (16u << 20) /* for a line that goes on behind what the journal covers */

/* A journal beside the part of the active log that it covers. */
struct join {
	struct journal_content journal;
	uint64_t from, to; /* in the file: where the first record begins and the last one ends */
	struct buf old;    /* the file from there on, and somewhat farther */
	struct buf want;   /* the same, with the records in their places */
	struct buf torn;   /* lines of `old` that are overwritten by something else, and are no zeros */
	uint64_t back;     /* bytes that the file did not have */
	bool changed;      /* the file, after the journal: so not by a writer, nor by one who copied them */
};

static void join_deinit(struct join *j)
{
	journal_content_deinit(&j->journal);
	buf_deinit(&j->old);
	buf_deinit(&j->want);
	buf_deinit(&j->torn);
}

/* Puts the records where they belong. 1: one of them begins behind the end, or before the active log. */
static int place_records(struct join *j, uint64_t begin)
{
	const struct journal_content *c = &j->journal;

	buf_add(&j->want, j->old.data, j->old.len);
	for (size_t i = 0; i < c->n; i++) {
		const struct journal_record *rec = &c->records[i];
		if (buf_error(&j->want) < 0)
			return -ENOMEM;
		if (rec->off < begin || rec->off - begin - j->from > j->want.len)
			return 1;
		size_t at = (size_t)(rec->off - begin - j->from);
		size_t had = min(rec->lines.len, j->want.len - at);
		for (size_t k = 0; k < had; k++)
			j->back += j->want.data[at + k] != rec->lines.data[k];
		if (had > 0)
			memcpy(j->want.data + at, rec->lines.data, had);
		buf_add(&j->want, rec->lines.data + had, rec->lines.len - had);
		j->back += rec->lines.len - had;
	}
	return buf_error(&j->want);
}

static bool is_zeros(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i])
			return false;
	return true;
}

/* What another program has appended to half a line, or to zeros, that the power cut has left. Where it is
 * what belongs there, it is nobody else's. `most`: bytes of `want`. */
static struct slice behind_half(const char *line, size_t len, const char *want, size_t most)
{
	size_t n = 0;

	while (n < min(len, most) && line[n] == want[n])
		n++;
	while (n < len && !line[n])
		n++;
	/* What stands behind the journal's end may be our own, of a later write. */
	if (n >= most || (len <= most && memcmp(line + n, want + n, len - n) == 0))
		n = len;
	return (struct slice){line + n, len - n};
}

/* Of each line that something else comes in place of: a power cut has left no whole event there. 1: it
 * is one, so another program has written it. */
static int look_at_old(struct eventlog *log, struct join *j)
{
	size_t end = (size_t)(j->to - j->from);

	for (size_t at = 0, len; at < min(j->old.len, end); at += len + 1) {
		const char *line = j->old.data + at, *nl = memchr(line, '\n', j->old.len - at);
		len = nl ? (size_t)(nl - line) : j->old.len - at;
		size_t whole = len + (nl != NULL);
		if (at + whole <= end && memcmp(line, j->want.data + at, whole) == 0)
			continue;
		if (behind_is_event(log, (struct slice){line, len}) ||
		    behind_is_event(log, behind_half(line, len, j->want.data + at, end - at)))
			return 1;
		if (is_zeros((struct slice){line, len}) ||
		    memcmp(line, j->want.data + at, min(len, end - at)) == 0)
			continue;
		buf_add(&j->torn, line, len);
		buf_add_char(&j->torn, '\n');
	}
	return buf_error(&j->torn);
}

/* 1: the record goes on from what is there, as far as that is known. */
static int goes_on(struct eventlog *log, const struct journal_record *rec, int fd,
		   const struct log_pos *begin)
{
	uint64_t at = rec->off - begin->off;

	if (rec->off > begin->off) {
		int r = lines_begin_at(log->disk, fd, at);
		return r <= 0 ? r : behind_is_same(log, fd, at, rec->before);
	}
	return rec->before == 0 || begin->hash == 0 || begin->hash == rec->before;
}

/* What is before the active file another program may have archived: then it is there, and nothing is to be
 * done. 1: something else is. */
static int pass_archived(struct eventlog *log, struct journal_content *c, const struct log_files *files,
			 uint64_t begin)
{
	struct log_files copy;
	struct reader *reader;
	size_t n = 0;

	while (n < c->n && c->records[n].off < begin)
		n++;
	if (n == 0)
		return 0;
	int r = log_files_dup(files, &copy);
	if (r == 0)
		r = reader_new(&reader, log->disk, &copy);
	if (r < 0)
		return r;
	r = 1;
	for (size_t i = 0; r > 0 && i < n; i++)
		r = reader_has(reader, c->records[i].off, begin, c->records[i].lines);
	reader_free(reader);
	if (r <= 0)
		return r < 0 ? r : 1;
	c->n -= n;
	memmove(c->records, c->records + n, c->n * sizeof(*c->records));
	return 0;
}

/* In a copy of living files the log may be older than the journal, and shorter than it was by then: what the
 * ring still has from there on goes back, too. But what a person has taken out is not to come again. */
static bool closes_gap(const struct join *j, uint64_t end)
{
	const struct journal_content *c = &j->journal;

	return end < c->settled && journal_reaches(c, end) >= c->settled && !j->changed;
}

/* Those that may be missing. */
static void choose_records(struct join *j, uint64_t end)
{
	struct journal_content *c = &j->journal;
	bool closes = closes_gap(j, end);

	journal_behind(c, closes ? end : c->settled);
}

/* 1: the log is not what the journal goes on from. */
static int join(struct eventlog *log, struct join *j, int fd, const struct log_files *files,
		const struct log_pos *from)
{
	uint64_t begin = from->off;
	struct journal_content *c = &j->journal;

	off_t size = log->disk->size(log->disk, fd);
	if (size < 0)
		return (int)size;
	choose_records(j, begin + (uint64_t)size);
	int r = pass_archived(log, c, files, begin);
	if (r != 0 || c->n == 0)
		return r;
	j->from = j->to = c->records[0].off - begin;
	if ((uint64_t)size < j->from)
		return 1;
	for (size_t i = 0; i < c->n; i++)
		j->to = max(j->to, c->records[i].off - begin + c->records[i].lines.len);
	r = goes_on(log, &c->records[0], fd, from);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = disk_read_from(log->disk, fd, j->from, j->to - j->from + LINE_ROOM, &j->old);
	if (r == 0)
		r = place_records(j, begin);
	return r == 0 ? look_at_old(log, j) : r;
}

/* Nothing is written to a log that lacks what was promised, until somebody has decided. */
static void fail_joining(struct eventlog *log)
{
	if (log->options.decides)
		return;
	(void)!eventlog_fail(
	    log, 0, "what was promised and is not in it stands in " JOURNAL_NAME ".1: run eventfold recover");
}

/* The first name that nothing has. */
static int find_kept_name(struct eventlog *log, char name[static 64])
{
	int r = 1;

	for (unsigned n = 1; r > 0; n++) {
		journal_kept_name(name, n);
		r = journal_is_kept(log->disk, log->dirfd, n);
	}
	return r;
}

static int keep_apart(struct eventlog *log, struct diag *diag)
{
	char name[64];

	int r = find_kept_name(log, name);
	if (r == 0)
		r = log->disk->rename(log->disk, log->dirfd, JOURNAL_NAME, name);
	if (r == 0)
		r = log->disk->sync_dir(log->disk, log->dirfd);
	if (r < 0)
		return eventlog_say(diag, r, "keeping " JOURNAL_NAME " apart");
	eventlog_report(log, "another program has changed " ACTIVE_NAME
			     " before the events that only " JOURNAL_NAME " had were put back");
	fail_joining(log);
	return 0;
}

/* Also what the file seems to have: a sync of it may have failed, and what is read be in memory only. */
static int put_back(struct eventlog *log, struct join *j)
{
	size_t done;

	if (j->journal.n == 0)
		return 0;
	uint64_t changed = 0;
	(void)!log->disk->changed(log->disk, log->dirfd, ACTIVE_NAME, &changed);
	int r = active_keep_lines(log->disk, log->dirfd, log->active_fd, buf_slice(&j->torn), TORN_NAME);
	if (r == 0)
		r = disk_pwrite_all(log->disk, log->active_fd, j->want.data, (size_t)(j->to - j->from),
				    (off_t)j->from, &done);
	/* It is as it was, and so is when its last event came. */
	if (r == 0 && j->back == 0 && changed)
		(void)disk_set_changed(log->active_fd, changed);
	if (r < 0 || j->back == 0)
		return r;
	log->recovered++;
	eventlog_report(
	    log, "%" PRIu64 " bytes that only " JOURNAL_NAME " had were put back into " ACTIVE_NAME, j->back);
	return 0;
}

static void set_rejoined(struct rejoined *ret, const struct join *j, uint64_t begin)
{
	uint64_t settled = j->journal.settled > begin ? j->journal.settled - begin : 0;

	ret->any = j->journal.known;
	ret->shared = j->journal.shared;
	ret->sure = max(settled, j->to);
}

/* What was known to be on disk is not there, nor has the journal it any more: nothing can bring it back, but
 * it is not to go without a word. */
static int look_at_length(struct eventlog *log, const struct join *j, uint64_t begin)
{
	off_t size = log->disk->size(log->disk, log->active_fd);

	if (size >= 0 && begin + (uint64_t)size < j->journal.settled &&
	    !closes_gap(j, begin + (uint64_t)size))
		eventlog_report(log, ACTIVE_NAME " is shorter than it was on disk: somebody has cut it");
	return (int)min(size, (off_t)0);
}

/* An append writes to the log first. Where either cannot be looked at, nothing speaks against the journal. */
static bool is_changed_later(struct eventlog *log)
{
	struct disk *disk = log->disk;
	uint64_t active, journal;

	return disk->changed(disk, log->dirfd, ACTIVE_NAME, &active) == 0 &&
	       disk->changed(disk, log->dirfd, JOURNAL_NAME, &journal) == 0 && active > journal;
}

static int say_reading(struct diag *diag, int error)
{
	if (error == -EPROTO)
		return diag_set(diag, error,
				JOURNAL_NAME
				" is of another version of eventfold: first let that one mount DATA, "
				"or verify --repair it");
	if (error == -EACCES)
		return diag_set(diag, error,
				JOURNAL_NAME " may have events that " ACTIVE_NAME
					     " lacks after a power cut, and may not be read: %s",
				strerrordesc_np(-error));
	return eventlog_say(diag, error, "reading " JOURNAL_NAME);
}

int rejoin_write(struct eventlog *log, struct log_files *files, const struct log_pos *begin,
		 struct rejoined *ret, struct diag *diag)
{
	struct join j cleanup(join_deinit) = {0};

	*ret = (struct rejoined){0};
	int r = journal_is_kept(log->disk, log->dirfd, 1);
	if (r > 0)
		fail_joining(log);
	ret->apart = r > 0;
	if (r < 0 || log->failed)
		return r < 0 ? eventlog_say(diag, r, "looking for " JOURNAL_NAME ".1") : 0;
	r = journal_load(&j.journal, log->disk, log->dirfd, JOURNAL_NAME);
	if (r < 0)
		return say_reading(diag, r);
	if (!j.journal.known)
		return 0;
	r = proposed_keep(log, &j.journal.proposal, begin->off);
	if (r < 0)
		return eventlog_say(diag, r, "keeping what was proposed");
	j.changed = is_changed_later(log);
	r = look_at_length(log, &j, begin->off);
	if (r == 0)
		r = join(log, &j, log->active_fd, files, begin);
	if (r > 0) {
		ret->apart = true;
		return keep_apart(log, diag);
	}
	if (r == 0)
		r = put_back(log, &j);
	set_rejoined(ret, &j, begin->off);
	return r < 0 ? eventlog_say(diag, r, "putting back what " JOURNAL_NAME " has") : 0;
}

static int copy_in_memory(struct eventlog *log, struct log_files *files, const struct join *j)
{
	size_t done;
	int fd auto_close = memfd_create("active", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	off_t size = log->disk->size(log->disk, files->active_fd);
	int r = size < 0 ? (int)size
			 : disk_copy(log->disk, files->active_fd, 0, (uint64_t)size, &disk_posix, fd, 0);
	if (r == 0)
		r = disk_pwrite_all(&disk_posix, fd, j->want.data, (size_t)(j->to - j->from), (off_t)j->from,
				    &done);
	if (r < 0)
		return r;
	closep(&files->active_fd);
	files->active_fd = take_fd(&fd);
	return 0;
}

int rejoin_show(struct eventlog *log, struct log_files *files, const struct log_pos *begin,
		struct rejoined *ret, struct diag *diag)
{
	struct join j cleanup(join_deinit) = {0};
	struct disk_file file;

	*ret = (struct rejoined){0};
	int r = journal_is_kept(log->disk, log->dirfd, 1);
	if (r < 0)
		return eventlog_say(diag, r, "looking for " JOURNAL_NAME ".1");
	if (r > 0)
		eventlog_report(log,
				JOURNAL_NAME ".1 has events that were promised and are not in the log: run "
					     "eventfold recover");
	ret->apart = r > 0;
	/* What a writer's journal has its log has, too. */
	if (log->disk->look(log->disk, log->dirfd, JOURNAL_NAME, &file) == -ENOENT) {
		proposed_say(log, &(struct journal_record){0});
		return 0;
	}
	if (eventlog_is_held(log))
		return 0;
	r = journal_load(&j.journal, log->disk, log->dirfd, JOURNAL_NAME);
	if (r < 0)
		return say_reading(diag, r);
	proposed_say(log, &j.journal.proposal);
	j.changed = is_changed_later(log);
	r = join(log, &j, files->active_fd, files, begin);
	if (r > 0) {
		if (eventlog_is_held(log)) /* by now */
			return 0;
		eventlog_report(log, JOURNAL_NAME " has events that do not fit " ACTIVE_NAME
						  ": another program has changed that since");
		ret->apart = true;
		return 0;
	}
	log->journal_rest = r == 0 ? j.back : 0;
	if (r == 0 && j.back > 0)
		r = copy_in_memory(log, files, &j);
	set_rejoined(ret, &j, begin->off);
	return r < 0 ? eventlog_say(diag, r, "reading " JOURNAL_NAME) : 0;
}

int rejoin_end(struct eventlog *log)
{
	int r = log->disk->unlink(log->disk, log->dirfd, JOURNAL_NAME);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : log->disk->sync_dir(log->disk, log->dirfd);
}
