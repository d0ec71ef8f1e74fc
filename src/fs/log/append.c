#include "fs/log/append.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "fs/log/pieces.h"
#include "fs/log/refuse.h"
#include "fs/reply.h"

/* Something of a file's that is with the commit thread. */
struct append {
	struct commit commit;
	struct file *file;           /* with a reference */
	fuse_req_t req;              /* NULL: answered already, when it was queued */
	pid_t pid;                   /* whose */
	bool writing;                /* a write: the answer is a count, and the writer is told it */
	bool left;                   /* its program was answered before it was known what becomes of it */
	bool closing;                /* its locks go with it, once its line is in the log */
	uint64_t number;             /* among what its file has queued; 0: it has no lines */
	int result;                  /* the answer to a close whose own part failed, once all else is done */
	uint64_t table;              /* of a close: the descriptors it went through */
	struct open_log_close close; /* while it waits for its turn */
	struct batch batch;
	struct verdict verdict;
	struct ids_wait wait;  /* for what that is made of */
	struct buf rest;       /* behind the batch's last newline */
	struct pieces *pieces; /* NULL: it has come in one */
	int failed;            /* an error: they have not come to a whole */
};

static struct writer_rules rules_now(const struct file *f)
{
	const struct mount *m = f->mount;

	return (struct writer_rules){
	    .max_line = m->options.max_line,
	    .log = &m->beginning,
	    .now = clock_unix(),
	    .need_id = f->log.once,
	    .strict_ts = m->options.strict_ts,
	    .lay_out = judge_is_asked(m->judge),
	};
}

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

static void append_free(struct append *a)
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

static void set_batch(struct append *a)
{
	a->commit.lines = buf_slice(&a->batch.lines);
	a->commit.units = a->batch.units;
	a->commit.n_units = a->batch.n;
	a->commit.groups = a->batch.groups;
}

static void set_verdict(struct append *a)
{
	verdict_init(&a->verdict, a->commit.lines, a->commit.units, a->commit.n_units);
	a->verdict.layouts = a->batch.layouts;
	a->commit.verdict = &a->verdict;
}

static void set_lines(struct append *a)
{
	struct mount *m = a->file->mount;

	set_batch(a);
	a->commit.once = a->file->log.once && a->batch.lines.len > 0;
	/* Of a shared log, what has no rules here may have some elsewhere: which are in force is seen, and
	 * told to the others, before anything is proposed to them. */
	a->commit.judged = a->batch.lines.len > 0 && (m->cluster || judge_is_asked(m->judge));
	if (a->commit.once || a->commit.judged)
		set_verdict(a);
}

/* Of what brings lines: its number, and what it expects, which what went before through the same file has
 * moved by then. */
static void expect_now(struct append *a)
{
	a->number = a->commit.lines.len > 0 ? open_log_number(&a->file->log) : 0;
	a->commit.conditional = a->file->log.conditional && a->commit.lines.len > 0;
	if (a->commit.conditional)
		a->commit.expect = open_log_expected(&a->file->log);
}

static void count_written(struct append *a, size_t written)
{
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

static void reject_decided(struct append *a, size_t stored)
{
	int error = a->verdict.error;

	refuse_decided(a->file->mount, a->pid, &a->verdict, stored);
	/* Refused for good: a part of it that came before is no beginning of another. */
	if ((error == -EEXIST || error == -EPERM) && a->writing)
		open_log_forget_partial(&a->file->log);
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

/* At a close: the partial line is appended if it is a whole event. A part of one stays: others may go on
 * with it. Who has opened the file is told what is wrong, and what no write could tell; who has only
 * inherited it is told nothing that is not his. */
static int finish_line(struct append *a, struct event *scanner)
{
	struct open_log *log = &a->file->log;
	struct writer_rules rules = rules_now(a->file);
	int r = open_log_take_partial(log, &rules, scanner, &a->batch);

	if (r == -EPERM)
		refuse_refusal(a->file->mount, log->wrote, &a->batch.bad);
	if (r == -EPERM || r == -ENOMEM)
		return r;
	/* Seldom is there anything to tell: who closes need not be known. */
	if ((r == 0 && !writer_is_owing(&log->writer)) || !opener_is(&log->opener, a->pid, a->table))
		return 0;
	return r ? r : writer_owes(&log->writer);
}

static void answer_call(struct append *a, int error)
{
	if (a->closing)
		posix_locks_close(a->file, a->table);
	reply_error(a->req, error);
}

/* In the modes where writes don't wait, everything queued before is waited for. On the thread that has the
 * writer. */
static void close_now(struct append *a, struct event *scanner)
{
	struct mount *m = a->file->mount;

	a->result = finish_line(a, scanner);
	set_lines(a);
	expect_now(a);
	if (a->commit.lines.len > 0 || m->options.sync != SYNC_WRITE)
		return commit_queue(m->committer, &a->commit);
	answer_call(a, a->result);
	append_free(a);
}

/* On the commit thread, which gives the writer back: first come those who have closed it meanwhile. */
static void release_writer(struct file *f)
{
	struct event scanner = {0};
	struct open_log_close *close;

	while ((close = open_log_give_back(&f->log)))
		close_now(container_of(close, struct append, close), &scanner);
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
		count_written(a, written);
		/* Who is told a short count comes back with it. */
		if (written == 0 && is_decided(a, error))
			reject_decided(a, stored);
		else if (error == -ESTALE)
			refuse_moved(f->mount, a->pid, a->commit.lines, head);
		release_writer(f);
		if (written > 0)
			reply_written(req, written);
		else
			reply_error(req, error);
	} else {
		int owed = open_log_take_owed(&f->log);
		answer_call(a, error ? error : owed ? owed : a->result);
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

static struct append *append_new(struct file *f, fuse_req_t req)
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

/* Who asks whether he may append wants to know now, and whom the rules may refuse is told so. And where
 * several megabytes are waiting for the disk, whoever brings more waits too. */
static bool must_wait(struct mount *m, const struct append *a)
{
	return a->commit.durable || a->commit.conditional || a->commit.verdict ||
	       committer_backlog(m->committer) > LIMIT_QUEUE;
}

static void queue_write(fuse_req_t req, struct file *f, struct batch *batch, bool durable)
{
	struct mount *m = f->mount;
	struct append *a = append_new(f, req);
	size_t given = batch->given;

	if (!a) {
		batch_deinit(batch);
		return reply_error(req, -ENOMEM);
	}
	a->batch = *batch;
	a->writing = true;
	a->commit.durable = durable;
	buf_add_slice(&a->rest, batch->rest);
	if (buf_error(&a->rest) < 0 || buf_reserve(&f->log.writer.partial, a->rest.len) < 0) {
		f->log.writer.partial.failed = false;
		append_free(a);
		return reply_error(req, -ENOMEM);
	}
	set_lines(a);
	expect_now(a);
	a->commit.waits = must_wait(m, a);
	if (a->commit.waits) {
		open_log_lend(&f->log);
		commit_queue(m->committer, &a->commit);
		return;
	}
	a->req = NULL;
	a->commit.leave = NULL;
	count_written(a, given);
	commit_queue(m->committer, &a->commit);
	reply_written(req, given);
}

static bool is_read_only(struct mount *m)
{
	struct cluster_status cluster = {0};
	struct eventlog_stats stats;

	if (m->cluster)
		cluster_status(m->cluster, &cluster);
	if (cluster.stage == CLUSTER_FAILED)
		return true;
	eventlog_stats(m->log, &stats);
	return stats.failed;
}

/* A write of no whole line, or one whose first line is bad. */
static void take_part(fuse_req_t req, struct file *f, struct batch *batch)
{
	int r = open_log_written(&f->log, batch, batch->given);

	if (r > 0)
		refuse_refusal(f->mount, f->log.wrote, &batch->bad);
	if (r < 0)
		reply_error(req, r);
	else if (batch->given > 0 || !batch->bad.error)
		reply_written(req, batch->given);
	else
		reply_error(req, batch->bad.error);
}

/* The first of its lines are there. From now on the commit thread answers it. */
static void queue_pieces(struct append *a)
{
	struct open_log *log = &a->file->log;

	a->commit.judged = a->commit.waits = true;
	a->commit.verdict = &a->verdict;
	a->commit.pieces = a->pieces;
	a->number = open_log_number(log);
	open_log_lend(log);
	commit_queue(a->file->mount->committer, &a->commit);
}

/* All of it has been looked at, or that has failed. The writer is lent, but nobody uses it before the end. */
static int take_pieces(struct append *a, int error)
{
	struct batch *b = &a->batch;

	buf_add_slice(&a->rest, b->rest);
	if (error == 0 &&
	    (buf_error(&a->rest) < 0 || buf_reserve(&a->file->log.writer.partial, a->rest.len) < 0)) {
		a->file->log.writer.partial.failed = false;
		error = -ENOMEM;
	}
	if (error < 0)
		batch_clear(b);
	set_batch(a);
	set_verdict(a);
	return error;
}

/* A large write that the rules are to be asked about: that begins before all of it has been looked at. */
static void write_in_pieces(struct append *a, struct slice data, const struct writer_rules *rules)
{
	struct file *f = a->file;
	struct mount *m = f->mount;
	bool queued = false;
	int r = 0;

	while (r == 0) {
		r = pieces_feed(a->pieces, &f->log.writer, data, rules, &m->scanner);
		if (r < 0 || queued || a->batch.n == 0)
			continue;
		queue_pieces(a);
		queued = true;
	}
	if (queued) {
		a->failed = take_pieces(a, min(r, 0));
		return commit_came(m->committer, &a->commit);
	}
	if (r < 0)
		reply_error(a->req, r);
	else
		take_part(a->req, f, &a->batch);
	append_free(a);
}

/* 1: it is to be taken in one: what is decided about the whole first, and what other machines have a say in.
 */
static int begin_pieces(fuse_req_t req, struct file *f, struct slice data, const struct writer_rules *rules,
			bool durable, struct append **ret)
{
	if (!rules->lay_out || f->log.once || f->log.conditional || f->mount->cluster)
		return 1;
	struct append *a = append_new(f, req);
	int r =
	    a ? pieces_new(&a->pieces, &f->mount->pieces_spare, &f->log.writer, data, &a->batch) : -ENOMEM;
	if (r != 0 && a)
		append_free(a);
	if (r != 0)
		return r;
	a->writing = true;
	a->commit.durable = durable;
	*ret = a;
	return 0;
}

/* 0, or the error of a write that is not even looked at. */
static int may_write(struct file *f)
{
	struct mount *m = f->mount;
	int r = open_log_may_write(&f->log);

	/* Where nobody waits for the commit, this is the place to hear of it. */
	if (r == 0 && m->options.sync != SYNC_WRITE && is_read_only(m))
		r = -EROFS;
	return r;
}

void append_write(fuse_req_t req, struct file *f, struct slice data, const struct fuse_file_info *fi)
{
	struct mount *m = f->mount;
	struct writer_rules rules = rules_now(f);
	struct refusal left;
	struct append *pieces;
	struct batch batch;

	int r = may_write(f);
	if (r < 0)
		return reply_error(req, r);
	r = writer_resume(&f->log.writer, data, &left);
	refuse_refusal(f->mount, f->log.wrote, &left);
	refusal_deinit(&left);
	f->log.wrote = fuse_req_ctx(req)->pid;
	file_wrote(f);
	opener_wrote(&f->log.opener, f->log.wrote, fi->lock_owner);
	if (r < 0)
		return reply_error(req, r);
	/* O_SYNC has the bit of O_DSYNC, and more. */
	bool durable = m->options.sync == SYNC_WRITE || fi->flags & O_DSYNC;
	r = begin_pieces(req, f, data, &rules, durable, &pieces);
	if (r == 0)
		return write_in_pieces(pieces, data, &rules);
	if (r < 0)
		return reply_error(req, r);
	r = feeder_feed(m->feeder, &f->log.writer, data, &rules, &m->scanner, &batch);
	if (r == 0 && batch.lines.len > 0)
		return queue_write(req, f, &batch, durable);
	if (r < 0)
		reply_error(req, r);
	else
		take_part(req, f, &batch);
	batch_deinit(&batch);
}

void append_refuse_cut(fuse_req_t req, struct file *f)
{
	static const struct json_error why = {
	    "a program that cuts the log is about to save it over itself; to append lines, use >>", 0};

	if (open_log_cut(&f->log))
		refuse_line(f->mount, fuse_req_ctx(req)->pid, -EPERM, &why, (struct slice){0});
	reply_error(req, -EPERM);
}

void append_flush(fuse_req_t req, struct file *f, uint64_t table)
{
	struct mount *m = f->mount;
	struct append *a;

	bool writes = (f->flags & O_ACCMODE) != O_RDONLY && !f->notice;
	a = writes ? append_new(f, req) : NULL;
	if (!a) {
		posix_locks_close(f, table);
		return reply_error(req, writes ? -ENOMEM : 0);
	}
	a->commit.durable = a->closing = true;
	a->table = table;
	if (!open_log_must_wait(&f->log, &a->close))
		close_now(a, &m->scanner);
}

void append_fsync(fuse_req_t req, struct file *f)
{
	struct mount *m = f->mount;
	struct append *a;

	/* What a write in this mode has answered is on disk already. */
	if (m->options.sync == SYNC_WRITE)
		return reply_error(req, open_log_take_owed(&f->log));
	a = append_new(f, req);
	if (!a)
		return reply_error(req, -ENOMEM);
	a->commit.durable = true;
	commit_queue(m->committer, &a->commit);
}

void append_release(fuse_req_t req, struct file *f)
{
	struct slice partial = buf_slice(&f->log.writer.partial);
	struct json_error why;
	struct refusal left;

	writer_end(&f->log.writer, &left);
	refuse_refusal(f->mount, f->log.wrote, &left);
	refusal_deinit(&left);
	if (partial.len > 0) {
		if (event_group_check(partial, &f->mount->scanner, &why) >= 0)
			why = (struct json_error){.why = "its close failed"};
		refuse_line(f->mount, f->log.wrote, -EINVAL, &why, partial);
	}
	file_unref(f);
	reply_error(req, 0);
}
