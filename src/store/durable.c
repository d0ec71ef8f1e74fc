#include "store/durable.h"

#include <errno.h>

#include "base/clock.h"
#include "store/groups.h"

static uint64_t set_settled(struct eventlog *log, uint64_t off)
{
	pthread_mutex_lock(&log->lock);
	uint64_t settled = log->settled = max(log->settled, off);
	pthread_mutex_unlock(&log->lock);
	return settled;
}

struct now {
	struct log_pos head;
	uint64_t settled;
};

/* Any thread. */
static struct now look(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	struct now now = {log->head, log->settled};
	pthread_mutex_unlock(&log->lock);
	return now;
}

/* The committer's look: a journal that eventlog_journal() has made is from now on in use. */
static struct now look_and_adopt(struct eventlog *log)
{
	pthread_mutex_lock(&log->lock);
	struct now now = {log->head, log->settled};
	if (log->journal_made)
		log->journal = take_ptr(log->journal_made);
	pthread_mutex_unlock(&log->lock);
	return now;
}

static bool is_proposed(const struct eventlog *log, uint64_t off, struct slice lines)
{
	return log->proposed_len > 0 && log->proposed_len == lines.len && log->proposed_off == off &&
	       log->proposed_sum == log_hash(lines) && journal_is_there(log->journal);
}

/* From now on the log does without. What its file holds may be older than the log, so it is to go before
 * the log's file changes its name. */
static void abandon(struct eventlog *log, int error)
{
	log->journal_left = true; /* by its name; even if it is another's by now, it is of no use */
	log->proposed_len = 0;
	journal_free(log->journal);
	log->journal = NULL;
	pthread_mutex_lock(&log->lock);
	log->journal_on = false;
	pthread_mutex_unlock(&log->lock);
	eventlog_report(log, "going on without " JOURNAL_NAME ": %s",
			error ? strerrordesc_np(-error) : "it has been moved away, removed or cut");
}

typedef int record_writer(struct journal *j, uint64_t settled, const struct log_pos *at, struct slice lines);

static int write_withdrawal(struct journal *j, uint64_t settled, const struct log_pos *at, struct slice lines)
{
	return journal_withdraw(j, settled, at->off);
}

/* False: there is no journal any more. */
static bool record(struct eventlog *log, record_writer *write, const struct now *now, struct slice lines)
{
	int r = journal_is_there(log->journal) ? write(log->journal, now->settled, &now->head, lines) : 1;
	if (r != 0)
		abandon(log, min(r, 0));
	log->proposed_len = 0;
	/* What was a proposal until now is followed, or settled. */
	log->doubtful = r == 0 ? 0 : log->doubtful;
	return r == 0;
}

static int remove_left(struct eventlog *log)
{
	struct disk *disk = log->disk;

	if (!log->journal_left)
		return 0;
	int r = disk->unlink(disk, log->dirfd, JOURNAL_NAME);
	if (r == 0 || r == -ENOENT)
		r = disk->sync_dir(disk, log->dirfd);
	log->journal_left = r < 0;
	return r;
}

static int sync_file(struct eventlog *log, uint64_t end)
{
	int r = log->disk->sync(log->disk, log->active_fd);

	if (r < 0)
		return r;
	log->covered = set_settled(log, end);
	groups_settled(log, end);
	/* Only now that the log has all of it; if this fails, it is tried again. */
	(void)!remove_left(log);
	return 0;
}

/* What was appended without a sync is in no record: that takes a sync of the file first. */
static bool takes(const struct eventlog *log, const struct now *now, struct slice lines)
{
	return log->journal && lines.len > 0 && max(log->covered, now->settled) >= now->head.off &&
	       journal_takes(log->journal, lines.len, now->settled);
}

int durable_lines(struct eventlog *log, struct slice lines, bool straight, uint64_t *ret_us)
{
	struct now now = look_and_adopt(log);
	uint64_t end = now.head.off + lines.len;

	groups_settled(log, now.settled);
	*ret_us = 0;
	if (!straight && unlikely(is_proposed(log, now.head.off, lines))) {
		*ret_us = log->proposed_us;
		log->proposed_len = 0;
		log->doubtful = end;
	} else if (straight || !takes(log, &now, lines) || !record(log, journal_write, &now, lines)) {
		return sync_file(log, end);
	}
	log->covered = end;
	log->pressed |= journal_is_at_half(log->journal);
	return 0;
}

static int sync_or_fail(struct eventlog *log)
{
	int r = sync_file(log, look(log).head.off);

	return r < 0 ? eventlog_fail(log, r, "syncing " ACTIVE_NAME) : 0;
}

bool eventlog_propose(struct eventlog *log, struct slice lines)
{
	struct now now = look_and_adopt(log);
	uint64_t begin = clock_us();

	/* One that is still undecided is not to be replaced. */
	if (log->aside || !takes(log, &now, lines))
		return false;
	if (!record(log, journal_propose, &now, lines)) {
		/* The journal has gone, and is to go by its name as well: it may have them. */
		(void)!sync_or_fail(log);
		return false;
	}
	log->proposed_off = now.head.off;
	log->proposed_len = lines.len;
	log->proposed_sum = log_hash(lines);
	log->proposed_us = clock_us() - begin;
	return true;
}

void eventlog_withdraw(struct eventlog *log)
{
	struct now now = look(log);

	if (log->proposed_len == 0)
		return;
	if (!journal_takes(log->journal, 0, now.settled)) {
		if (sync_or_fail(log) < 0)
			return;
		now = look(log);
	}
	/* Others' lines may stand there by now: that is not to look as if it went on from what is withdrawn.
	 */
	now.head = (struct log_pos){.off = log->proposed_off};
	if (!record(log, write_withdrawal, &now, (struct slice){0}))
		(void)!sync_or_fail(log);
}

bool eventlog_is_certain(struct eventlog *log)
{
	return log->doubtful <= look(log).settled;
}

bool eventlog_is_pressed(struct eventlog *log)
{
	bool pressed = log->pressed;

	log->pressed = false;
	return pressed;
}

int durable_sync(struct eventlog *log)
{
	return sync_file(log, look(log).head.off);
}

int durable_mark(struct eventlog *log)
{
	struct log_pos head = look_and_adopt(log).head;

	if (log->journal)
		(void)record(log, journal_write, &(struct now){head, head.off}, (struct slice){0});
	return remove_left(log);
}

void durable_begin(struct eventlog *log, uint64_t off)
{
	log->settled = log->covered = off;
}

void durable_end(struct eventlog *log)
{
	look_and_adopt(log);
	journal_free(log->journal);
	log->journal = NULL;
}

int eventlog_journal(struct eventlog *log, uint64_t bytes)
{
	struct disk *disk = log->disk;
	struct journal *made;

	if (log->failed || log->options.read_only)
		return -EROFS;
	struct layout *l cleanup(layout_unrefp) = eventlog_layout(log);
	int r = journal_create(&made, disk, log->dirfd, l->files.active_fd, bytes ? bytes : JOURNAL_BYTES,
			       log->options.shared, look(log).settled);
	if (r < 0) {
		/* Half a file is none: it has no record. */
		(void)!disk->unlink(disk, log->dirfd, JOURNAL_NAME);
		return r;
	}
	pthread_mutex_lock(&log->lock);
	log->journal_made = made;
	log->journal_on = true;
	pthread_mutex_unlock(&log->lock);
	return 0;
}

/* By the readers' descriptor of the same file: it stays while the layout does, whatever the committer
 * does. */
int eventlog_settle(struct eventlog *log)
{
	if (log->failed || log->options.read_only)
		return -EROFS;
	struct now now = look(log); /* first: a later layout has all of it */
	if (now.settled >= now.head.off)
		return 0;
	struct layout *l cleanup(layout_unrefp) = eventlog_layout(log);
	if (l->files.active_begin.off > now.head.off)
		return 0; /* the rotation in between has seen to it */
	int r = log->disk->sync(log->disk, l->files.active_fd);
	if (r < 0)
		return eventlog_fail(log, r, "syncing app.jsonl");
	set_settled(log, now.head.off);
	return 0;
}

int eventlog_finish(struct eventlog *log)
{
	int r = eventlog_sync(log);

	if (r < 0)
		return r;
	r = groups_remove(log);
	if (r < 0)
		return r;
	look_and_adopt(log);
	if (!log->journal)
		return remove_left(log);
	log->journal_left = journal_is_there(log->journal);
	durable_end(log);
	return remove_left(log);
}
