#include <errno.h>

#include "base/clock.h"
#include "fs/held.h"
#include "fs/node_ops.h"
#include "fs/reply.h"
#include "fs/status.h"

/* A text on its way: wanted by an open, by a read at offset 0, or for its size by a getattr. */
struct fetch {
	struct mount *mount;
	fuse_req_t req;
	struct node *node; /* with a reference while it waits */
	struct file *file; /* NULL: getattr */
	bool opening;
	struct fuse_file_info fi;
	size_t size; /* of the read */
	struct seen seen;
	struct timespec changed; /* when it became what it is, or before; in a view's, when the log did */
};

/* That the view is broken, or gone, has been read, and is an end: poll(2) waits for something else. */
static void note_broken(struct file *f, int error, const struct seen *seen)
{
	if (error != -EIO && error != -ENOENT)
		return;
	pthread_mutex_lock(&f->mount->lock);
	f->follower.seen = *seen;
	f->follower.seen.broken = f->follower.seen.something = true;
	f->follower.ended = true;
	pthread_mutex_unlock(&f->mount->lock);
}

static void answer_open(struct fetch *f, struct text *text)
{
	struct file *file = f->file;

	file->follower.seen = f->seen; /* nobody else knows the file yet */
	int r = held_open(file, text);
	text_unref(text);
	if (r == 0)
		return reply_open(f->req, &f->fi, file);
	file_unref(file);
	reply_error(f->req, r);
}

/* What a read of the text gets, for poll(2). */
static void note_read(struct file *f, const struct text *text, off_t off, size_t size)
{
	size_t from = min((size_t)off, text->body.len);

	follower_note_read(f, (uint64_t)off, min(size, text->body.len - from), text->body.len);
}

static void reply_unreadable(const struct fetch *f)
{
	struct timespec changed = f->changed;
	struct view_status status;

	if (views_status(f->mount->views, f->node->name, &status) == 0)
		changed = clock_of_ns(status.changed);
	reply_attr(f->req, f->mount, f->node, REPLY_UNREADABLE, &changed);
}

/* The one way out for every fetch. Takes the text. */
static void answer(struct fetch *f, int error, struct text *text)
{
	struct text *old = NULL;

	/* A broken view can't be read, but it is there, and can be listed. */
	if (error == -EIO && !f->file)
		return reply_unreadable(f);
	if (error < 0) {
		if (f->opening)
			file_unref(f->file);
		else if (f->file)
			note_broken(f->file, error, &f->seen);
		return reply_error(f->req, error);
	}
	if (!f->file) {
		reply_attr(f->req, f->mount, f->node, held_size(f->mount, f->node, text->body.len),
			   &text->changed);
		text_unref(text);
		return;
	}
	if (f->opening)
		return answer_open(f, text);
	pthread_mutex_lock(&f->mount->lock);
	old = f->file->text;
	f->file->text = text_ref(text);
	f->file->refreshed = true;
	f->file->follower.seen = f->seen;
	f->file->follower.seen.something = false; /* not yet */
	pthread_mutex_unlock(&f->mount->lock);
	text_unref(old);
	note_read(f->file, text, 0, f->size);
	reply_part(f->req, text->body, 0, f->size);
	text_unref(text);
}

static void add_hash(struct buf *b, const struct log_pos *pos)
{
	if (pos->off > 0)
		buf_add_hex64(b, pos->hash);
}

/* The text of one of a view's files, out of the answer to views_want(). Takes the answer's rendering. */
static struct text *text_of_answer(enum node_kind kind, const struct views_answer *a)
{
	struct buf b = {0};

	switch (kind) {
	case NODE_VIEW_JSON:
		return text_of_rendering(a->rendering);
	case NODE_VIEW_OFFSET:
		buf_add_u64(&b, a->pos.off);
		break;
	case NODE_VIEW_HASH:
		add_hash(&b, &a->pos);
		break;
	default:
		buf_add_str(&b, "{\"state\":");
		buf_add(&b, a->rendering->json.data, a->rendering->json.len - 1); /* without its newline */
		buf_add_str(&b, ",\"offset\":");
		buf_add_u64(&b, a->pos.off);
		buf_add_str(&b, ",\"hash\":\"");
		add_hash(&b, &a->pos);
		buf_add_str(&b, "\"}");
		rendering_unref(a->rendering);
	}
	buf_add_char(&b, '\n');
	return text_of_buf(&b);
}

/* One that has waited. */
static void fetch_free(struct fetch *f)
{
	nodes_unref(&f->mount->nodes, f->node);
	free(f);
}

static struct timespec changed_of_answer(const struct fetch *f, const struct views_answer *a)
{
	struct timespec state = clock_of_ns(a->rendering ? a->rendering->changed : 0);

	return f->node->kind == NODE_VIEW_JSON ? state : mtime_max(f->changed, state);
}

static void view_answered(void *arg, const struct views_answer *a)
{
	struct fetch *f = arg;
	struct text *text = NULL;
	int error = a->error;

	if (error == 0) {
		struct timespec changed = changed_of_answer(f, a);
		f->seen = (struct seen){.off = a->pos.off, .version = a->version};
		text = text_of_answer(f->node->kind, a);
		if (text)
			text->changed = changed;
		else
			error = -ENOMEM;
	}
	answer(f, error, text);
	fetch_free(f);
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;

	views_cancel(m->views, req);
}

static void fetch_view(const struct fetch *template)
{
	enum node_kind kind = template->node->kind;
	struct mount *m = template->mount;
	struct fetch *f = malloc(sizeof(*f));

	if (!f) {
		struct fetch failed = *template;
		return answer(&failed, -ENOMEM, NULL);
	}
	*f = *template;
	f->node = nodes_ref(&m->nodes, template->node);
	/* An interrupt comes in on this thread: either it is here already, or it finds the request at the views. */
	fuse_req_interrupt_func(f->req, interrupted, m);
	if (fuse_req_interrupted(f->req)) {
		answer(f, -EINTR, NULL);
		fetch_free(f);
		return;
	}
	bool position = kind == NODE_VIEW_OFFSET || kind == NODE_VIEW_HASH;
	views_want(m->views, f->node->name, position ? VIEWS_POSITION : VIEWS_STATE, f->req, view_answered,
		   f);
}

static int make_error(struct mount *m, const char *view, struct buf *b, struct fetch *ret)
{
	struct view_status status = {0};

	int r = views_status(m->views, view, &status);
	ret->seen.error = follower_error(status.why.text);
	ret->changed = clock_of_ns(status.changed);
	if (r < 0)
		return r;
	if (!status.why.text[0])
		return -ENOENT;
	buf_add_str(b, status.why.text);
	buf_add_char(b, '\n');
	return 0;
}

static int make_text(struct mount *m, const struct node *node, struct buf *b, struct fetch *ret)
{
	struct log_pos head;

	switch (node->kind) {
	case NODE_HEAD_APP:
		head = eventlog_head(m->log);
		ret->seen.off = head.off;
		buf_add_u64(b, head.off);
		buf_add_char(b, ':');
		add_hash(b, &head);
		buf_add_char(b, '\n');
		break;
	case NODE_STATUS:
		ret->seen.version = status_text(m, b, &ret->changed);
		break;
	case NODE_REJECTED:
		ret->changed = mtime_rejected(m);
		ret->seen.version = rejected_count(&m->rejected);
		rejected_text(&m->rejected, b);
		break;
	default:
		return make_error(m, node->name, b, ret);
	}
	return 0;
}

static void fetch(const struct fetch *f)
{
	struct mount *m = f->mount;
	struct node *node = f->node;
	struct fetch now = *f;
	struct buf b = {0};

	now.changed = mtime_log(m); /* before it is looked at: never later than what is found */
	if (node_is_view(node->kind) && node->kind != NODE_VIEW_ERROR)
		return fetch_view(&now);
	int r = make_text(m, node, &b, &now);
	if (r < 0) {
		buf_deinit(&b);
		return answer(&now, r, NULL);
	}
	struct text *text = text_of_buf(&b);
	if (text)
		text->changed = now.changed;
	answer(&now, text ? 0 : -ENOMEM, text);
}

void text_file_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	fetch(&(struct fetch){.mount = m, .req = req, .node = node});
}

void text_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct file *f;

	if ((fi->flags & O_ACCMODE) != O_RDONLY && !notice_is_its(m, fuse_req_ctx(req)->pid))
		return reply_error(req, -EACCES);
	f = file_new(m, node, req, fi);
	if (!f)
		return reply_error(req, -ENOMEM);
	if (f->notice)
		return reply_open(req, fi, f);
	fetch(&(struct fetch){.mount = m, .req = req, .node = node, .file = f, .opening = true, .fi = *fi});
}

static void fill_cache(fuse_req_t req, struct file *f, off_t off, size_t size)
{
	pthread_mutex_lock(&f->mount->lock);
	f->filled = true;
	pthread_mutex_unlock(&f->mount->lock);
	reply_part(req, f->cached->body, off, size);
}

void text_file_read(fuse_req_t req, struct file *f, off_t off, size_t size, bool fill)
{
	struct mount *m = f->mount;

	if (fill)
		return fill_cache(req, f, off, size);
	/* As on sysfs: whoever comes back to the beginning wants to know how it is now. */
	if (off == 0 && f->started)
		return fetch(
		    &(struct fetch){.mount = m, .req = req, .node = f->node, .file = f, .size = size});
	f->started = true;
	pthread_mutex_lock(&m->lock);
	struct text *text = text_ref(f->text);
	pthread_mutex_unlock(&m->lock);
	note_read(f, text, off, size);
	reply_part(req, text->body, off, size);
	text_unref(text);
}
