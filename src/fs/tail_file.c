#include "fs/tail_file.h"

#include <errno.h>
#include <linux/fuse.h>

#include "fs/reply.h"

/* A read that is being answered: it waits for bytes of the log, or for a view's rendering. */
struct tail_read {
	struct history_read history;
	struct file *file; /* with a reference; its follower is `reading` */
	struct tail_wait *wait;
};

/* As reply_open(), for a file without a position: reads on one description that several processes share don't wait for each
 * other in the kernel, where nothing could interrupt them. And there is nothing to flush: a close fails on no mount that has gone. libfuse has no
 * word for the one. */
static void reply_stream(fuse_req_t req, struct file *f)
{
	struct fuse_open_out out = {
	    .fh = (uintptr_t)f,
	    .open_flags = FOPEN_DIRECT_IO | FOPEN_STREAM | FOPEN_NOFLUSH,
	};

	if (fuse_reply_buf(req, (const char *)&out, sizeof(out)) == -ENOENT)
		file_unref(f);
}

void tail_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	uint64_t head = eventlog_head(m->log).off;
	struct file *f;

	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		return reply_error(req, -EACCES);
	f = file_new(m, node, req, fi);
	if (!f)
		return reply_error(req, -ENOMEM);
	f->follower.pos = node->kind == NODE_TAIL_APP ? head : 0;
	if (node->kind == NODE_TAIL_APP_AT && !node_parse_offset(node->name, &f->follower.pos)) {
		file_unref(f);
		return reply_error(req, -ENOENT);
	}
	reply_stream(req, f);
}

/* Before the answer: whoever has it may read again at once, and must not meet a read that is still going on. */
static void leave(struct tail_read *t)
{
	struct mount *m = t->file->mount;

	pthread_mutex_lock(&m->lock);
	t->file->follower.reading = false;
	pthread_mutex_unlock(&m->lock);
}

static void answer_error(struct tail_read *t, int error)
{
	leave(t);
	reply_error(t->wait->req, error);
}

static void answer_data(struct tail_read *t, struct slice data)
{
	leave(t);
	reply_data(t->wait->req, data);
}

/* After the answer: the next one that waits has its turn. At the end of all, that is the end of file, for the notify thread may be
 * gone. */
static void finish(struct tail_read *t)
{
	struct file *f = t->file;
	struct mount *m = f->mount;
	struct tail_wait *next;

	pthread_mutex_lock(&m->lock);
	while (follower_is_over(f) && (next = follower_take(f))) {
		pthread_mutex_unlock(&m->lock);
		reply_data(next->req, (struct slice){0});
		free(next);
		pthread_mutex_lock(&m->lock);
	}
	bool more = f->follower.first;
	pthread_mutex_unlock(&m->lock);
	/* Also when this one went back to waiting: a change meanwhile was told to nobody. */
	if (more)
		follow_recheck(m, f);
	free(t->wait);
	free(t);
	file_unref(f);
}

/* Nothing new after all: back to waiting. */
static void wait_again(struct tail_read *t)
{
	struct file *f = t->file;
	struct mount *m = f->mount;

	pthread_mutex_lock(&m->lock);
	bool stop = follower_is_over(f);
	bool interrupted = fuse_req_interrupted(t->wait->req);
	f->follower.reading = false;
	bool nonblock = t->wait->nonblock;
	if (!stop && !interrupted && !nonblock) {
		follower_wait(f, t->wait);
		t->wait = NULL;
	}
	pthread_mutex_unlock(&m->lock);
	if (t->wait && stop)
		reply_data(t->wait->req, (struct slice){0});
	else if (t->wait)
		reply_error(t->wait->req, interrupted ? -EINTR : -EAGAIN);
	finish(t);
}

static void log_read(struct history_read *read, int error, struct slice data)
{
	struct tail_read *t = container_of(read, struct tail_read, history);
	struct mount *m = t->file->mount;

	if (error == 0 && data.len == 0)
		return wait_again(t);
	pthread_mutex_lock(&m->lock);
	t->file->follower.pos += data.len;
	pthread_mutex_unlock(&m->lock);
	if (error < 0)
		answer_error(t, error);
	else
		answer_data(t, data);
	finish(t);
}

/* The next part of the text that the file holds; false: it has been read to the end. */
static bool give_text(struct tail_read *t)
{
	struct file *f = t->file;
	struct mount *m = f->mount;

	pthread_mutex_lock(&m->lock);
	struct text *text = f->text && f->follower.pos < f->text->body.len ? text_ref(f->text) : NULL;
	uint64_t pos = f->follower.pos;
	if (text)
		f->follower.pos = min(pos + t->wait->size, (uint64_t)text->body.len);
	pthread_mutex_unlock(&m->lock);
	if (!text)
		return false;
	leave(t);
	reply_part(t->wait->req, text->body, (off_t)pos, t->wait->size);
	text_unref(text);
	finish(t);
	return true;
}

/* Has the file given out this very state already? Another version need not be another text: versions go on when a worker is started
 * again. The file's text is changed by nobody but the one read that is going on. */
static bool has_given(const struct file *f, const struct seen *now, const struct text *text)
{
	const struct seen *seen = &f->follower.seen;

	if (!seen->something || seen->broken != now->broken)
		return false;
	return seen->version == now->version || (text && f->text && slice_eq(f->text->body, text->body));
}

static void view_answered(void *arg, const struct views_answer *a)
{
	struct tail_read *t = arg;
	struct follower *w = &t->file->follower;
	struct mount *m = t->file->mount;
	struct text *text = NULL, *old = NULL;
	int error = a->error;

	if (error == 0) {
		text = text_of_rendering(a->rendering);
		error = text ? 0 : -ENOMEM;
	}
	bool broken = error == -EIO || error == -ENOENT;
	struct seen seen = {.off = a->pos.off, .version = a->version, .broken = broken, .something = true};
	bool same = has_given(t->file, &seen, text);
	pthread_mutex_lock(&m->lock);
	if (error == 0 || broken)
		w->seen = seen;
	if (error == 0 && !same) {
		old = t->file->text;
		t->file->text = text_ref(text);
		w->pos = 0;
	}
	pthread_mutex_unlock(&m->lock);
	text_unref(old);
	text_unref(text);
	if (error < 0) {
		/* The end of the mount is the end of the file. */
		if (error == -ESHUTDOWN)
			answer_data(t, (struct slice){0});
		else
			answer_error(t, error);
		return finish(t);
	}
	if (!give_text(t))
		wait_again(t);
}

void tail_file_answer(struct file *f, struct tail_wait *wait)
{
	struct mount *m = f->mount;
	struct tail_read *t = malloc(sizeof(*t));

	if (!t) {
		pthread_mutex_lock(&m->lock);
		f->follower.reading = false;
		pthread_mutex_unlock(&m->lock);
		reply_error(wait->req, -ENOMEM);
		free(wait);
		return file_unref(f);
	}
	pthread_mutex_lock(&m->lock);
	bool stop = follower_is_over(f);
	*t = (struct tail_read){
	    .history = {.off = f->follower.pos, .size = wait->size, .done = log_read},
	    .file = f,
	    .wait = wait,
	};
	pthread_mutex_unlock(&m->lock);
	if (stop) {
		answer_data(t, (struct slice){0});
		return finish(t);
	}
	if (f->node->kind != NODE_TAIL_VIEW)
		return history_queue(m->history, &t->history);
	if (!give_text(t))
		views_want(m->views, f->node->name, VIEWS_STATE, wait->req, view_answered, t);
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;

	follower_interrupt(m, req);
	views_cancel(m->views, req);
}

/* Is there, as far as is known now, nothing for a read? Under the lock. */
static bool must_wait(const struct file *f, uint64_t head)
{
	if (f->follower.reading || f->follower.first)
		return true;
	if (f->node->kind != NODE_TAIL_VIEW)
		return f->follower.pos >= head;
	return false;
}

void tail_file_read(fuse_req_t req, struct file *f, size_t size, bool nonblock)
{
	struct mount *m = f->mount;
	struct tail_wait *wait = malloc(sizeof(*wait));

	if (!wait)
		return reply_error(req, -ENOMEM);
	*wait = (struct tail_wait){.req = req, .size = size, .nonblock = nonblock};
	/* An interrupt comes in on this thread: it is here already, or it will find the request. */
	fuse_req_interrupt_func(req, interrupted, m);
	if (fuse_req_interrupted(req)) {
		free(wait);
		return reply_error(req, -EINTR);
	}
	pthread_mutex_lock(&m->lock);
	bool waits = must_wait(f, eventlog_head(m->log).off) && !follower_is_over(f);
	bool refuse = waits && nonblock;
	if (waits && !nonblock) {
		follower_wait(f, wait);
	} else if (!waits) {
		f->follower.reading = true;
		f->refs++;
	}
	pthread_mutex_unlock(&m->lock);
	if (refuse) {
		free(wait);
		reply_error(req, -EAGAIN);
	} else if (!waits) {
		tail_file_answer(f, wait);
	}
}
