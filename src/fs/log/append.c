#include "fs/log/append.h"

#include <errno.h>

#include "base/clock.h"
#include "fs/log/append_impl.h"
#include "fs/log/refuse.h"
#include "fs/reply.h"

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

void append_answer_call(struct append *a, int error)
{
	if (a->closing)
		posix_locks_close(a->file, a->table);
	reply_error(a->req, error);
}

/* In the modes where writes don't wait, everything queued before is waited for. On the thread that has the
 * writer. */
void append_close_now(struct append *a, struct event *scanner)
{
	struct mount *m = a->file->mount;

	a->result = finish_line(a, scanner);
	set_lines(a);
	expect_now(a);
	if (a->commit.lines.len > 0 || m->options.sync != SYNC_WRITE)
		return commit_queue(m->committer, &a->commit);
	append_answer_call(a, a->result);
	append_free(a);
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
	append_count_written(a, given);
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

	a->commit.verdict = a->commit.judged ? &a->verdict : NULL;
	a->commit.waits = true;
	a->commit.pieces = a->pieces;
	a->number = open_log_number(log);
	open_log_lend(log);
	commit_queue(a->file->mount->committer, &a->commit);
}

static void queue_pieces_once(struct append *a, int error, bool *queued)
{
	if (error < 0 || *queued || a->batch.n == 0)
		return;
	queue_pieces(a);
	*queued = true;
}

static int join_half(struct append *a, struct feeder_half *half, int error)
{
	struct mount *m = a->file->mount;
	int r = feeder_end(m->feeder, half, &m->scanner);

	if (error < 0)
		r = error;
	else if (r == 0)
		r = pieces_join(a->pieces, &half->batch);
	batch_deinit(&half->batch);
	return r;
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
	if (a->commit.judged)
		set_verdict(a);
	return error;
}

/* A large write that the rules are to be asked about, or that is to be durable: that begins before all of it
 * has been looked at. Without rules two look. */
static void write_in_pieces(struct append *a, struct slice data, const struct writer_rules *rules)
{
	struct file *f = a->file;
	struct mount *m = f->mount;
	struct feeder_half half;
	bool halved = a->pieces->end < data.len, queued = false;
	int r = 0;

	if (halved)
		feeder_begin(m->feeder, &half, data, a->pieces->end, rules);
	while (r == 0) {
		r = pieces_feed(a->pieces, &f->log.writer, data, rules, &m->scanner);
		queue_pieces_once(a, r, &queued);
	}
	if (halved) {
		r = join_half(a, &half, r);
		queue_pieces_once(a, r, &queued);
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
	if (!(rules->lay_out || durable) || f->log.once || f->log.conditional || f->mount->cluster)
		return 1;
	struct append *a = append_new(f, req);
	int r = a ? pieces_new(&a->pieces, &f->mount->pieces_spare, &f->log.writer, data, !rules->lay_out,
			       &a->batch)
		  : -ENOMEM;
	if (r != 0 && a)
		append_free(a);
	if (r != 0)
		return r;
	a->writing = true;
	a->commit.durable = durable;
	a->commit.judged = rules->lay_out;
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
		append_close_now(a, &m->scanner);
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
