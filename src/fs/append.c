#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "fs/node_ops.h"
#include "fs/reply.h"

/* Something of a file's that is with the commit thread. */
struct append {
	struct commit commit;
	struct file *file;   /* with a reference */
	fuse_req_t req;      /* NULL: answered already, when it was queued */
	pid_t pid;           /* whose */
	bool writing;        /* a write: the answer is a count, and the writer is settled */
	int result;          /* the answer to a close whose own part failed, once all else is done */
	uint64_t table;      /* of a close: the descriptors it went through */
	struct append *next; /* in file->closes */
	struct batch batch;
	struct buf rest; /* behind the batch's last newline */
};

static struct writer_rules rules_now(struct mount *m)
{
	return (struct writer_rules){
	    .max_line = m->options.max_line,
	    .log = &m->beginning,
	    .now = clock_unix(),
	};
}

static void note_rejection(struct mount *m, const struct rejection *rejection)
{
	rejected_add(&m->rejected, rejection);
	mtime_note_rejected(m);
	follow_rejected_changed(m);
}

static void reject_line(struct file *f, pid_t pid, int error, const struct json_error *why, struct slice line)
{
	struct rejection rejection = {
	    .time = clock_unix(),
	    .error = -error,
	    .why = why->why,
	    .column = why->at + 1,
	    .pid = pid,
	    .bytes = line.len,
	    .line = line,
	};

	note_rejection(f->mount, &rejection);
}

static void reject(struct file *f, pid_t pid, const struct refusal *r)
{
	struct rejection rejection = {
	    .time = clock_unix(),
	    .error = -r->error,
	    .why = r->why.why,
	    .column = r->why.at + 1,
	    .pid = pid,
	    .bytes = r->bytes,
	    .line = buf_slice(&r->head),
	};

	if (r->error)
		note_rejection(f->mount, &rejection);
}

/* The error that a file owes for lines acknowledged earlier; it is told once. */
static int take_error(struct file *f)
{
	pthread_mutex_lock(&f->mount->lock);
	int error = f->error;
	f->error = 0;
	pthread_mutex_unlock(&f->mount->lock);
	return error;
}

/* What the guard against saving the log over itself compares with. */
static void note_beginning(struct mount *m, const struct batch *b, size_t stored)
{
	size_t at = 0;

	for (size_t i = 0; i < b->n && b->ends[i].stored <= stored && guard_log_is_open(&m->beginning); i++) {
		guard_log_add(&m->beginning, (struct slice){b->lines.data + at, b->ends[i].stored - 1 - at});
		at = b->ends[i].stored;
	}
}

static void append_free(struct append *a)
{
	file_unref(a->file);
	batch_deinit(&a->batch);
	buf_deinit(&a->rest);
	free(a);
}

/* The winner of a conditional append goes on from its own new head. */
static void move_expectation(struct append *a, size_t stored, const struct log_pos *head)
{
	struct mount *m = a->file->mount;

	if (!a->commit.conditional || stored == 0)
		return;
	pthread_mutex_lock(&m->lock);
	a->file->expect = *head;
	pthread_mutex_unlock(&m->lock);
}

/* Of what brings lines. What went before through the same file has moved it by then. */
static void expect_now(struct append *a)
{
	struct file *f = a->file;

	if (f->node->kind != NODE_EVENTS_APP_AT || a->commit.lines.len == 0)
		return;
	a->commit.conditional = true;
	pthread_mutex_lock(&f->mount->lock);
	a->commit.expect = f->expect;
	pthread_mutex_unlock(&f->mount->lock);
}

static void settle_write(struct append *a, size_t written)
{
	struct mount *m = a->file->mount;

	a->batch.rest = buf_slice(&a->rest);
	pthread_mutex_lock(&m->lock);
	int r = writer_settle(&a->file->writer, &a->batch, written);
	pthread_mutex_unlock(&m->lock);
	assert(r >= 0); /* its room was reserved */
	if (r > 0)
		reject(a->file, a->pid, &a->batch.bad);
}

/* What its program can't come back with: it was told that the lines are taken, or it closes. Many do not look at what a close says. */
static void reject_unwritten(struct append *a, int error, size_t stored)
{
	struct slice lines = {a->commit.lines.data + stored, a->commit.lines.len - stored};
	struct json_error why = {
	    error == -ESTALE ? "the head has moved on" : "it could not be written",
	    0,
	};

	if (lines.len > 0)
		reject_line(a->file, a->pid, error, &why, lines);
}

/* The partial line as a batch, and out of the writer if it is a whole event. Where the commit thread does it, a cut may be refused
 * meanwhile. */
static int take_partial(struct file *f, struct batch *batch, struct event *scanner)
{
	struct mount *m = f->mount;
	struct writer_rules rules = rules_now(m);
	int r = 0, refused = 0;

	pthread_mutex_lock(&m->lock);
	if (f->writer.partial.len > 0)
		r = writer_finish(&f->writer, &rules, scanner, batch);
	if (r == 0)
		r = batch->bad.error;
	if (r == -EPERM)
		refused = writer_settle(&f->writer, batch, 0);
	buf_clear(r == 0 ? &f->writer.partial : &batch->lines);
	pthread_mutex_unlock(&m->lock);
	if (refused > 0)
		reject(f, f->wrote, &batch->bad);
	return r;
}

/* At a close: the partial line is appended if it is a whole event. A part of one stays: others may go on with it. Who has opened the
 * file is told what is wrong, and what no write could tell; who has only inherited it is told nothing that is not his. */
static int finish_line(struct append *a, struct event *scanner)
{
	struct file *f = a->file;
	int r = take_partial(f, &a->batch, scanner);

	if (r == -EPERM || r == -ENOMEM)
		return r;
	/* Seldom is there anything to tell: who closes need not be known. */
	if ((r == 0 && !f->writer.declined.error) || !opener_is(&f->opener, a->pid, a->table))
		return 0;
	return r ? r : writer_owes(&f->writer);
}

/* In the modes where writes don't wait, everything queued before is waited for. On the thread that has the writer. */
static void close_now(struct append *a, struct event *scanner)
{
	struct mount *m = a->file->mount;

	a->result = finish_line(a, scanner);
	a->commit.lines = buf_slice(&a->batch.lines);
	expect_now(a);
	if (a->commit.lines.len > 0 || m->options.sync != SYNC_WRITE)
		return commit_queue(m->committer, &a->commit);
	reply_error(a->req, a->result);
	append_free(a);
}

/* On the commit thread, which gives the writer back: first come those who have closed it meanwhile. */
static void release_writer(struct file *f)
{
	struct event scanner = {0};
	struct append *a;

	do {
		pthread_mutex_lock(&f->mount->lock);
		a = f->closes;
		if (a)
			f->closes = a->next;
		else
			f->busy = false;
		pthread_mutex_unlock(&f->mount->lock);
		if (a)
			close_now(a, &scanner);
	} while (a);
	event_deinit(&scanner);
}

/* False: no write has the writer. */
static bool close_later(struct append *a)
{
	struct file *f = a->file;
	struct append **p = &f->closes;

	pthread_mutex_lock(&f->mount->lock);
	bool busy = f->busy;
	while (busy && *p)
		p = &(*p)->next;
	if (busy)
		*p = a;
	pthread_mutex_unlock(&f->mount->lock);
	return busy;
}

/* On the commit thread. */
static void append_done(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct append *a = container_of(commit, struct append, commit);
	struct file *f = a->file;
	fuse_req_t req = a->req;

	note_beginning(f->mount, &a->batch, stored);
	move_expectation(a, stored, head);
	if (error < 0 && (!req || !a->writing))
		reject_unwritten(a, error, stored);
	if (!req) {
		if (error < 0) {
			pthread_mutex_lock(&f->mount->lock);
			f->error = error;
			pthread_mutex_unlock(&f->mount->lock);
		}
	} else if (a->writing) {
		size_t written = batch_written(&a->batch, stored);
		settle_write(a, written);
		release_writer(f);
		if (written > 0)
			reply_written(req, written);
		else
			reply_error(req, error);
	} else {
		int owed = take_error(f);
		reply_error(req, error ? error : owed ? owed : a->result);
	}
	if (stored > 0)
		follow_appended(f->mount, f, a->writing);
	append_free(a);
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
	return a;
}

/* Who asks whether he may append wants to know now. And where several megabytes are waiting for the disk, whoever brings
 * more waits too. */
static bool must_wait(struct mount *m, const struct append *a)
{
	return m->options.sync == SYNC_WRITE || a->commit.conditional ||
	       committer_backlog(m->committer) > LIMIT_QUEUE;
}

static void queue_write(fuse_req_t req, struct file *f, struct batch *batch)
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
	buf_add_slice(&a->rest, batch->rest);
	if (buf_error(&a->rest) < 0 || buf_reserve(&f->writer.partial, a->rest.len) < 0) {
		f->writer.partial.failed = false;
		append_free(a);
		return reply_error(req, -ENOMEM);
	}
	a->commit.lines = buf_slice(&a->batch.lines);
	expect_now(a);
	if (must_wait(m, a)) {
		pthread_mutex_lock(&m->lock);
		f->busy = true;
		pthread_mutex_unlock(&m->lock);
		a->commit.durable = m->options.sync == SYNC_WRITE;
		commit_queue(m->committer, &a->commit);
		return;
	}
	a->req = NULL;
	settle_write(a, given);
	commit_queue(m->committer, &a->commit);
	reply_written(req, given);
}

static bool is_read_only(struct mount *m)
{
	struct eventlog_stats stats;

	eventlog_stats(m->log, &stats);
	return stats.failed;
}

/* A write of no whole line, or one whose first line is bad. */
static void take_part(fuse_req_t req, struct file *f, struct batch *batch)
{
	int r = writer_settle(&f->writer, batch, batch->given);

	if (r > 0)
		reject(f, f->wrote, &batch->bad);
	if (r < 0)
		reply_error(req, r);
	else if (batch->given > 0 || !batch->bad.error)
		reply_written(req, batch->given);
	else
		reply_error(req, batch->bad.error);
}

/* 0, or the error of a write that is not even looked at. */
static int may_write(struct file *f)
{
	struct mount *m = f->mount;
	int r = take_error(f);

	/* Where nobody waits for the commit, this is the place to hear of it. */
	if (r == 0 && m->options.sync != SYNC_WRITE && is_read_only(m))
		r = -EROFS;
	pthread_mutex_lock(&m->lock);
	if (r == 0 && f->busy)
		r = -EBUSY;
	pthread_mutex_unlock(&m->lock);
	return r;
}

void append_write(fuse_req_t req, struct file *f, struct slice data, uint64_t table)
{
	struct mount *m = f->mount;
	struct writer_rules rules = rules_now(m);
	struct refusal left;
	struct batch batch;

	int r = may_write(f);
	if (r < 0)
		return reply_error(req, r);
	r = writer_resume(&f->writer, data, &left);
	reject(f, f->wrote, &left);
	refusal_deinit(&left);
	f->wrote = fuse_req_ctx(req)->pid;
	opener_wrote(&f->opener, f->wrote, table);
	if (r < 0)
		return reply_error(req, r);
	r = writer_feed(&f->writer, data, &rules, &m->scanner, &batch);
	if (r == 0 && batch.lines.len > 0)
		return queue_write(req, f, &batch);
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
	struct mount *m = f->mount;

	pthread_mutex_lock(&m->lock);
	bool again = f->writer.guard.state == GUARD_SAVING;
	f->writer.guard.state = GUARD_SAVING;
	pthread_mutex_unlock(&m->lock);
	if (!again)
		reject_line(f, fuse_req_ctx(req)->pid, -EPERM, &why, (struct slice){0});
	reply_error(req, -EPERM);
}

/* A close by one of those who hold the descriptor. */
void append_flush(fuse_req_t req, struct file *f, uint64_t table)
{
	struct mount *m = f->mount;
	struct append *a;

	if ((f->flags & O_ACCMODE) == O_RDONLY || f->notice)
		return reply_error(req, 0);
	a = append_new(f, req);
	if (!a)
		return reply_error(req, -ENOMEM);
	a->commit.durable = true;
	a->table = table;
	if (!close_later(a))
		close_now(a, &m->scanner);
}

void append_fsync(fuse_req_t req, struct file *f)
{
	struct mount *m = f->mount;
	struct append *a;

	/* What a write in this mode has answered is on disk already. */
	if (m->options.sync == SYNC_WRITE)
		return reply_error(req, take_error(f));
	a = append_new(f, req);
	if (!a)
		return reply_error(req, -ENOMEM);
	a->commit.durable = true;
	commit_queue(m->committer, &a->commit);
}

/* Nobody can go on with it any more, and a release has no answer: what is left goes where it can be found. */
void append_release(fuse_req_t req, struct file *f)
{
	struct slice partial = buf_slice(&f->writer.partial);
	struct json_error why;
	struct refusal left;

	writer_end(&f->writer, &left);
	reject(f, f->wrote, &left);
	refusal_deinit(&left);
	if (partial.len > 0) {
		if (event_scan(&f->mount->scanner, partial, &why))
			why = (struct json_error){.why = "its close failed"};
		reject_line(f, f->wrote, -EINVAL, &why, partial);
	}
	file_unref(f);
	reply_error(req, 0);
}
