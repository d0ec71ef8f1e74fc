#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "fs/node_ops.h"
#include "fs/reply.h"

/* Something of a file's that is with the commit thread. */
struct append {
	struct commit commit;
	struct file *file; /* with a reference */
	fuse_req_t req;    /* NULL: answered already, when it was queued */
	bool writing;      /* a write: the answer is a count, and the writer is settled */
	int result;        /* the answer to a close whose own part failed, once all else is done */
	struct batch batch;
	struct buf rest; /* behind the batch's last newline */
};

void log_file_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	reply_attr(req, m, node, eventlog_head(m->log).off);
}

void log_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct file *f = file_new(m, node, req, fi);

	if (!f)
		return reply_error(req, -ENOMEM);
	f->writer.guarded = fi->flags & O_TRUNC;
	if (node->kind == NODE_EVENTS_APP_AT && !node_parse_head(node->name, &f->expect)) {
		file_unref(f);
		return reply_error(req, -ENOENT);
	}
	reply_open(req, fi, f);
}

/* Reading */

struct log_read {
	struct history_read read;
	struct file *file; /* the kernel keeps it open until the answer */
	fuse_req_t req;
};

/* What poll(2) compares the head with. */
static void note_position(struct file *f, uint64_t pos)
{
	pthread_mutex_lock(&f->mount->lock);
	f->follower.pos = pos;
	pthread_mutex_unlock(&f->mount->lock);
}

static void read_done(struct history_read *read, int error, struct slice data)
{
	struct log_read *r = container_of(read, struct log_read, read);

	if (error < 0) {
		reply_error(r->req, error);
	} else {
		note_position(r->file, read->off + data.len);
		reply_data(r->req, data);
	}
	free(r);
}

void log_file_read(fuse_req_t req, struct file *f, off_t off, size_t size)
{
	struct mount *m = f->mount;
	struct log_read *r;

	if ((uint64_t)off >= eventlog_head(m->log).off) {
		note_position(f, (uint64_t)off);
		return reply_data(req, (struct slice){0});
	}
	r = malloc(sizeof(*r));
	if (!r)
		return reply_error(req, -ENOMEM);
	*r = (struct log_read){
	    .read = {.off = (uint64_t)off, .size = size, .done = read_done},
	    .file = f,
	    .req = req,
	};
	history_queue(m->history, &r->read);
}

/* Writing */

static struct writer_rules rules_now(struct mount *m)
{
	struct writer_rules rules = {.max_line = m->options.max_line, .now = clock_unix()};

	pthread_mutex_lock(&m->lock);
	rules.first = m->first;
	pthread_mutex_unlock(&m->lock);
	return rules;
}

static void reject(struct file *f, pid_t pid, int error, const struct json_error *why, struct slice line)
{
	struct rejection rejection = {
	    .time = clock_unix(),
	    .error = -error,
	    .why = why->why,
	    .column = why->at + 1,
	    .pid = pid,
	    .line = line,
	};

	rejected_add(&f->mount->rejected, &rejection);
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

/* The first line ever: what the guard against saving the log over itself compares with. */
static void note_first_line(struct mount *m, const struct batch *b, size_t stored)
{
	pthread_mutex_lock(&m->lock);
	if (m->first.len == 0 && stored > 0) {
		m->first.len = b->ends[0].stored - 1;
		m->first.hash = log_hash((struct slice){b->lines.data, m->first.len});
	}
	pthread_mutex_unlock(&m->lock);
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

static void settle_write(struct append *a, size_t written)
{
	struct mount *m = a->file->mount;

	a->batch.rest = buf_slice(&a->rest);
	pthread_mutex_lock(&m->lock);
	int r = writer_settle(&a->file->writer, &a->batch, written);
	a->file->busy = false;
	pthread_mutex_unlock(&m->lock);
	assert(r == 0); /* its room was reserved */
}

/* On the commit thread. */
static void append_done(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct append *a = container_of(commit, struct append, commit);
	struct file *f = a->file;
	fuse_req_t req = a->req;

	note_first_line(f->mount, &a->batch, stored);
	move_expectation(a, stored, head);
	if (!req) {
		if (error < 0) {
			pthread_mutex_lock(&f->mount->lock);
			f->error = error;
			pthread_mutex_unlock(&f->mount->lock);
		}
	} else if (a->writing) {
		size_t written = batch_written(&a->batch, stored);
		settle_write(a, written);
		if (written > 0)
			reply_written(req, written);
		else
			reply_error(req, error);
	} else {
		if (error < 0 && error != -ESTALE && a->batch.lines.len > 0)
			reject(f, 0, error, &(struct json_error){.why = "it could not be written"},
			       a->commit.lines);
		int owed = take_error(f);
		reply_error(req, error ? error : owed ? owed : a->result);
	}
	append_free(a);
}

static struct append *append_new(struct file *f, fuse_req_t req)
{
	struct append *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->file = file_ref(f);
	a->req = req;
	a->commit.done = append_done;
	if (f->node->kind == NODE_EVENTS_APP_AT) {
		a->commit.conditional = true;
		pthread_mutex_lock(&f->mount->lock);
		a->commit.expect = f->expect;
		pthread_mutex_unlock(&f->mount->lock);
	}
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
	if (must_wait(m, a)) {
		f->busy = true;
		a->commit.durable = m->options.sync == SYNC_WRITE;
		commit_queue(m->committer, &a->commit);
		return;
	}
	a->req = NULL;
	settle_write(a, given);
	commit_queue(m->committer, &a->commit);
	reply_written(req, given);
}

/* The first line of a write is bad, wherever it began: it is gone, and the reason is in rejected.jsonl. */
static void refuse(fuse_req_t req, struct file *f, const struct batch *b)
{
	auto_buf struct buf line = {0};

	buf_add(&line, f->writer.partial.data, min(f->writer.partial.len, (size_t)LIMIT_REJECTED_LINE));
	buf_add_slice(&line, (struct slice){b->bad.data, min(b->bad.len, (size_t)LIMIT_REJECTED_LINE)});
	reject(f, fuse_req_ctx(req)->pid, b->error, &b->why, buf_slice(&line));
	buf_clear(&f->writer.partial);
	reply_error(req, b->error);
}

/* The kernel splits a long write(2) into several requests, and hides an error of any but the first: the program is told how much was
 * taken, and comes back with the rest. Where a line was refused that began in an earlier request, that rest is not a line of its
 * own. */
#define SPLIT_MIN (LIMIT_WRITE - 4096) /* a request that is shorter was the last of its write */
#define REST_MAX 4096

static void note_rest(struct file *f, size_t before, struct slice data, int error)
{
	if (f->writer.partial.len == 0 || before < SPLIT_MIN)
		return;
	f->rest.len = min(data.len, (size_t)REST_MAX);
	f->rest.hash = log_hash((struct slice){data.data, f->rest.len});
	f->rest.error = error;
}

/* The error of the line that these bytes are the rest of; it is told once. */
static int take_rest(struct file *f, struct slice data)
{
	size_t len = f->rest.len;

	f->rest.len = 0;
	if (len == 0 || data.len < len || log_hash((struct slice){data.data, len}) != f->rest.hash)
		return 0;
	return f->rest.error;
}

static bool is_read_only(struct mount *m)
{
	struct eventlog_stats stats;

	eventlog_stats(m->log, &stats);
	return stats.failed;
}

void log_file_write(fuse_req_t req, struct file *f, struct slice data)
{
	struct mount *m = f->mount;
	struct writer_rules rules = rules_now(m);
	struct batch batch;
	size_t before = f->written;
	int r = take_error(f);

	f->written = data.len;
	if (r == 0)
		r = take_rest(f, data);
	if (r == 0 && f->refused)
		r = -EPERM;
	/* Where nobody waits for the commit, this is the place to hear of it. */
	if (r == 0 && m->options.sync != SYNC_WRITE && is_read_only(m))
		r = -EROFS;

	pthread_mutex_lock(&m->lock);
	bool busy = f->busy;
	pthread_mutex_unlock(&m->lock);
	if (r == 0 && busy)
		r = -EBUSY;
	if (r == 0)
		r = writer_feed(&f->writer, data, &rules, &m->scanner, &batch);
	if (r < 0)
		return reply_error(req, r);
	if (batch.lines.len > 0)
		return queue_write(req, f, &batch);
	if (batch.error && batch.given == 0) {
		note_rest(f, before, data, batch.error);
		refuse(req, f, &batch);
	} else {
		r = writer_settle(&f->writer, &batch, batch.given);
		if (r < 0)
			reply_error(req, r);
		else
			reply_written(req, batch.given);
	}
	batch_deinit(&batch);
}

/* A close by one of those who hold the descriptor: the partial line is appended if it is a whole event. Then, in the modes where
 * writes don't wait, everything queued before is waited for. */
void log_file_flush(fuse_req_t req, struct file *f)
{
	struct mount *m = f->mount;
	struct writer_rules rules = rules_now(m);
	struct append *a;
	int r = 0;

	if ((f->flags & O_ACCMODE) == O_RDONLY || f->notice)
		return reply_error(req, 0);
	a = append_new(f, req);
	if (!a)
		return reply_error(req, -ENOMEM);
	a->commit.durable = true;
	pthread_mutex_lock(&m->lock);
	bool busy = f->busy;
	pthread_mutex_unlock(&m->lock);
	if (!busy && f->writer.partial.len > 0) {
		r = writer_finish(&f->writer, &rules, &m->scanner, &a->batch);
		a->result = r ? r : a->batch.error;
		if (a->result == 0)
			buf_clear(&f->writer.partial);
	}
	a->commit.lines = buf_slice(&a->batch.lines);
	a->commit.conditional &= a->commit.lines.len > 0;
	if (a->commit.lines.len > 0 || m->options.sync != SYNC_WRITE)
		return commit_queue(m->committer, &a->commit);
	r = a->result;
	append_free(a);
	reply_error(req, r);
}

void log_file_fsync(fuse_req_t req, struct file *f)
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
	a->commit.conditional = false;
	commit_queue(m->committer, &a->commit);
}

void log_file_release(fuse_req_t req, struct file *f)
{
	struct slice partial = buf_slice(&f->writer.partial);
	struct json_error why;

	if (partial.len > 0 && !event_scan(&f->mount->scanner, partial, &why))
		reject(f, f->pid, -EINVAL, &why, partial);
	file_unref(f);
	reply_error(req, 0);
}
