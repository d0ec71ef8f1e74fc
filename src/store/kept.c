#include "store/kept.h"

#include <errno.h>
#include <stdio.h>

#include "store/journal.h"
#include "store/live_reader.h"
#include "store/proposed.h"

struct place {
	struct eventlog *log;
	struct disk *disk;
	int dirfd;
	struct live_reader live;
};

/* The lines of the journal that are not where they were promised to be. */
static int find_missing(struct place *p, const struct journal_content *c, struct buf *ret,
			uint64_t *ret_events)
{
	uint64_t head = eventlog_head(p->log).off;

	for (size_t i = 0; i < c->n; i++) {
		const struct journal_record *rec = &c->records[i];
		for (size_t at = 0, len; at < rec->lines.len; at += len) {
			const char *line = rec->lines.data + at;
			const char *nl = memchr(line, '\n', rec->lines.len - at);
			len = nl ? (size_t)(nl - line) + 1 : rec->lines.len - at;
			int r = reader_has(p->live.reader, rec->off + at, head, (struct slice){line, len});
			if (r < 0)
				return r;
			if (r > 0)
				continue;
			buf_add(ret, line, len);
			++*ret_events;
		}
	}
	return buf_error(ret);
}

static int remove_file(struct place *p, const char *name)
{
	int r = p->disk->unlink(p->disk, p->dirfd, name);

	return r < 0 ? r : p->disk->sync_dir(p->disk, p->dirfd);
}

/* First they get a place again, behind the log's end, in the journal that the next open puts back: so
 * whatever happens from then on, they are there once. */
static int append_missing(struct place *p, const char *name, struct slice missing)
{
	struct log_pos head = eventlog_head(p->log);
	size_t done;

	int r = journal_replace(p->disk, p->dirfd, name, &head, missing);
	if (r == 0)
		r = p->disk->rename(p->disk, p->dirfd, name, JOURNAL_NAME);
	if (r == 0)
		r = p->disk->sync_dir(p->disk, p->dirfd);
	if (r == 0)
		r = eventlog_append(p->log, missing, true, &done);
	return r < 0 ? r : remove_file(p, JOURNAL_NAME);
}

static int decide(struct place *p, const char *name, bool appends, struct kept *ret)
{
	auto_buf struct buf missing = {0};
	struct journal_content c;

	int r = live_reader_refresh(&p->live);
	if (r == 0)
		r = journal_load(&c, p->disk, p->dirfd, name);
	if (r < 0)
		return r;
	journal_behind(&c, c.settled);
	r = find_missing(p, &c, &missing, &ret->events);
	journal_content_deinit(&c);
	ret->bytes += missing.len;
	if (r < 0)
		return r;
	return appends && missing.len > 0 ? append_missing(p, name, buf_slice(&missing))
					  : remove_file(p, name);
}

static int decide_all(struct eventlog *log, struct disk *disk, int dirfd, bool appends, struct kept *ret)
{
	struct place p = {.log = log, .disk = disk, .dirfd = dirfd};
	struct disk_file file;
	unsigned last = 0;
	int r = 0;

	*ret = (struct kept){0};
	live_reader_init(&p.live, log, disk);
	while ((r = journal_is_kept(disk, dirfd, last + 1)) > 0)
		last++;
	/* The first one last: while it is there nothing else is written to the log. */
	for (unsigned n = last; r == 0 && n > 0; n--) {
		char name[64];
		journal_kept_name(name, n);
		r = decide(&p, name, appends, ret);
		ret->files += r == 0;
	}
	if (r == 0 && disk->look(disk, dirfd, PROPOSED_NAME, &file) == 0) {
		r = decide(&p, PROPOSED_NAME, appends, ret);
		ret->files += r == 0;
	}
	live_reader_deinit(&p.live);
	return r;
}

int kept_append(struct eventlog *log, struct disk *disk, int dirfd, struct kept *ret)
{
	return decide_all(log, disk, dirfd, true, ret);
}

int kept_drop(struct eventlog *log, struct disk *disk, int dirfd, struct kept *ret)
{
	return decide_all(log, disk, dirfd, false, ret);
}
