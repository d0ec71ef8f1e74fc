/* What becomes of what is queued, and what its program is told. On the commit thread. */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

#include "fs/log/append_impl.h"
#include "fs/log/refuse.h"
#include "fs/reply.h"

void append_joined(struct mount *m, struct slice lines)
{
	while (lines.len > 0 && guard_log_is_open(&m->beginning)) {
		const char *nl = memchr(lines.data, '\n', lines.len);
		size_t len = (size_t)(nl - lines.data);
		guard_log_add(&m->beginning, (struct slice){lines.data, len});
		lines = slice_skip(lines, len + 1);
	}
}

/* Times that are likely to be in another unit than seconds are counted, and told of once. */
static void note_odd_ts(struct mount *m, size_t n)
{
	if (n == 0)
		return;
	bool first = atomic_fetch_add(&m->odd_ts, n) == 0;
	if (first && m->options.report)
		m->options.report(
		    m->options.arg,
		    "an event was appended whose \"ts\" is beyond the year 9999: it is in seconds, not in a "
		    "smaller unit; status.json counts them, and -o ts=strict refuses them");
}

void append_free(struct append *a)
{
	pieces_free(a->pieces, &a->file->mount->pieces_spare);
	file_unref(a->file);
	batch_deinit(&a->batch);
	verdict_deinit(&a->verdict);
	buf_deinit(&a->rest);
	free(a);
}

/* What of its lines is new in the log, where `stored` of them count. */
static struct slice appended_of(const struct append *a, size_t stored)
{
	const struct verdict *v = a->commit.verdict;

	return v ? (struct slice){v->lines.data, v->stored} : (struct slice){a->commit.lines.data, stored};
}

static size_t odd_ts_of(const struct append *a, size_t stored)
{
	const struct verdict *v = a->commit.verdict;

	return v ? units_odd_ts(v->kept, v->n_kept, v->stored) : batch_odd_ts(&a->batch, stored);
}

/* The winner of a conditional append goes on from its own new head; who repeats one that was there already,
 * from behind it. */
static void move_expectation(struct append *a, size_t stored, const struct log_pos *head)
{
	struct open_log *log = &a->file->log;

	if (!a->commit.conditional || stored == 0)
		return;
	if (appended_of(a, stored).len > 0)
		open_log_expect(log, head);
	else if (a->verdict.behind.off > a->commit.expect.off)
		open_log_expect(log, &a->verdict.behind);
}

/* On the commit thread. */
static int refusal_of(struct commit *commit)
{
	const struct append *a = container_of(commit, struct append, commit);

	if (unlikely(a->left))
		return -EINTR;
	/* While it comes nobody knows that yet. */
	if (!commit->pieces && a->failed < 0)
		return a->failed;
	return a->number ? open_log_refusal(&a->file->log, a->number) : 0;
}

void append_count_written(struct append *a, size_t written)
{
	/* Nothing of it has been taken, the rest of a line neither. */
	if (a->failed < 0)
		return;
	a->batch.rest = buf_slice(&a->rest);
	int r = open_log_written(&a->file->log, &a->batch, written);
	assert(r >= 0); /* its room was reserved */
	if (r > 0)
		refuse_refusal(a->file->mount, a->pid, &a->batch.bad);
}

/* Is the error that of the unit behind the lines that count? */
static bool is_decided(const struct append *a, int error)
{
	return error < 0 && a->commit.verdict && a->verdict.error == error;
}

/* Refused for good: a part of it that came before is no beginning of another. */
static void forget_refused(struct append *a, int error)
{
	bool for_good = error == -EEXIST || error == -EPERM || error == -EMSGSIZE;

	if (for_good && a->writing)
		open_log_forget_partial(&a->file->log);
}

static void reject_decided(struct append *a, size_t stored)
{
	refuse_decided(a->file->mount, a->pid, &a->verdict, stored);
	forget_refused(a, a->verdict.error);
}

/* What its program can't come back with: it was told that the lines are taken, or it closes. Many do not
 * look at what a close says. */
static void reject_unwritten(struct append *a, int error, size_t stored, const struct log_pos *head)
{
	const char *text = a->commit.why ? a->commit.why : "it could not be written";
	const struct json_error why = {text, 0};
	struct slice lines = {a->commit.lines.data + stored, a->commit.lines.len - stored};

	if (is_decided(a, error))
		reject_decided(a, stored);
	else if (lines.len > 0 && error == -ESTALE)
		refuse_moved(a->file->mount, a->pid, lines, head);
	else if (lines.len > 0)
		refuse_line(a->file->mount, a->pid, error, &why, lines);
}

/* On the commit thread, which gives the writer back: first come those who have closed it meanwhile. */
static void release_writer(struct file *f)
{
	struct event scanner = {0};
	struct open_log_close *close;

	while ((close = open_log_give_back(&f->log)))
		append_close_now(container_of(close, struct append, close), &scanner);
	event_deinit(&scanner);
}

static void append_done(struct commit *commit, int error, size_t stored, const struct log_pos *head);

static void reject_for(struct append *a, int error, size_t stored, const char *text)
{
	const struct json_error why = {text, 0};
	struct slice lines = slice_skip(a->commit.lines, stored);

	if (lines.len > 0)
		refuse_line(a->file->mount, a->pid, error, &why, lines);
}

/* On the commit thread. Nothing of it counts as written for its program, whatever becomes of it. */
static void leave(struct commit *commit, int error, const char *why)
{
	struct append *a = container_of(commit, struct append, commit);
	fuse_req_t req = take_ptr(a->req);

	commit->leave = NULL;
	a->left = true;
	reject_for(a, error, 0, why);
	if (!a->writing) {
		if (a->closing)
			posix_locks_close(a->file, a->table);
		return reply_error(req, error);
	}
	open_log_forget_partial(&a->file->log);
	release_writer(a->file);
	reply_error(req, error);
}

/* The lines of one that has left are in the log after all, or not. */
static void end_left(struct append *a, size_t stored)
{
	append_joined(a->file->mount, appended_of(a, stored));
	note_odd_ts(a->file->mount, odd_ts_of(a, stored));
	append_free(a);
}

/* On the index's thread. */
static void index_is_there(struct ids_wait *wait, int error)
{
	struct append *a = container_of(wait, struct append, wait);
	struct log_pos head = {0};

	if (error == 0)
		return commit_queue(a->file->mount->committer, &a->commit);
	a->verdict.error = 0;
	append_done(&a->commit, error == -EINTR ? error : -EIO, 0, &head);
}

static bool is_given_up(const struct ids_wait *wait)
{
	return fuse_req_interrupted(container_of(wait, struct append, wait)->req);
}

/* There was an index when the file was opened, but it begins anew, or is being stored: it is waited for once
 * more. */
static void wait_for_index(struct append *a)
{
	verdict_reset(&a->verdict);
	a->wait.given_up = is_given_up;
	a->wait.done = index_is_there;
	ids_want(a->file->mount->ids, &a->wait);
}

/* On the commit thread. */
static void append_done(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct append *a = container_of(commit, struct append, commit);
	struct file *f = a->file;
	fuse_req_t req = a->req;

	struct slice appended = appended_of(a, stored);

	if (unlikely(a->left))
		return end_left(a, stored);
	if (error == -EAGAIN && is_decided(a, error) && !a->verdict.said && stored == 0)
		return wait_for_index(a);
	append_joined(f->mount, appended);
	note_odd_ts(f->mount, odd_ts_of(a, stored));
	move_expectation(a, stored, head);
	if (error < 0 && (!req || !a->writing))
		reject_unwritten(a, error, stored, head);
	else if (unlikely(commit->why))
		reject_for(a, error, stored, commit->why);
	if (!req) {
		if (error < 0)
			open_log_owe(&f->log, a->number, error);
	} else if (a->writing) {
		size_t written = batch_written(&a->batch, stored);
		append_count_written(a, written);
		/* Who is told a short count comes back with it. */
		if (written == 0 && is_decided(a, error))
			reject_decided(a, stored);
		else if (error == -ESTALE)
			refuse_moved(f->mount, a->pid, a->commit.lines, head);
		else if (written == 0)
			forget_refused(a, error);
		release_writer(f);
		if (written > 0)
			reply_written(req, written);
		else
			reply_error(req, error);
	} else {
		int owed = open_log_take_owed(&f->log);
		append_answer_call(a, error ? error : owed ? owed : a->result);
	}
	if (appended.len > 0)
		follow_appended(f->mount, f, a->writing);
	append_free(a);
}

/* On the commit thread, which has not answered it yet. */
static bool has_given_up(struct commit *commit)
{
	const struct append *a = container_of(commit, struct append, commit);

	return a->left || fuse_req_interrupted(a->req);
}

struct append *append_new(struct file *f, fuse_req_t req)
{
	struct append *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->file = file_ref(f);
	a->req = req;
	a->pid = fuse_req_ctx(req)->pid;
	a->commit.done = append_done;
	a->commit.refusal = refusal_of;
	a->commit.given_up = has_given_up;
	a->commit.leave = leave;
	return a;
}
