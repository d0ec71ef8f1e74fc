/* at/N/app and at/N/NAME.json: the log and the views as they were. What they hold never changes. */
#include <errno.h>

#include "base/clock.h"
#include "fs/files/log_read.h"
#include "fs/node/classes.h"
#include "fs/node/held.h"
#include "fs/reply.h"

/* A place or state in the past on its way: for an open, or for its size. */
struct trip {
	struct history_read read; /* the log's */
	struct mount *mount;
	fuse_req_t req;
	struct node *node; /* with a reference */
	struct file *file; /* NULL: getattr */
	struct fuse_file_info fi;
};

/* Takes the text; NULL: the log's, which has none. */
static void arrive_open(struct trip *t, struct text *text)
{
	int r = text ? held_open(t->file, text) : 0;

	text_unref(text);
	if (r == 0)
		return reply_open(t->req, &t->fi, t->file);
	file_unref(t->file);
	reply_error(t->req, r);
}

/* What is past does not change, but with the reducer that it is seen by. */
static struct timespec changed_of(const struct trip *t)
{
	struct timespec born = t->mount->mtimes.born;
	struct view_status status;
	const char *view;
	uint64_t seq;

	if (!node_parse_at(t->node->name, &seq, &view) || !view ||
	    views_status(t->mount->views, view, &status) < 0)
		return born;
	return mtime_max(born, clock_of_ns(status.defined));
}

/* The way out for every trip: the log's with its end, a view's with its text (taken). */
static void arrive(struct trip *t, int error, uint64_t end, struct text *text)
{
	struct timespec changed = changed_of(t);

	/* A broken view can't be read, but it is there, and can be listed. */
	if (error == -EIO && t->node->kind == NODE_AT_VIEW && !t->file) {
		reply_attr(t->req, t->mount, t->node, REPLY_UNREADABLE, &changed);
	} else if (error < 0) {
		if (t->file)
			file_unref(t->file);
		reply_error(t->req, error);
	} else if (!t->file) {
		reply_attr(t->req, t->mount, t->node,
			   text ? held_size(t->mount, t->node, text->body.len) : end, &changed);
		text_unref(text);
	} else {
		t->file->end = end;
		if (text)
			text->changed = changed;
		arrive_open(t, text);
	}
	nodes_unref(&t->mount->nodes, t->node);
	free(t);
}

static void found(struct history_read *read, int error, struct slice none)
{
	arrive(container_of(read, struct trip, read), error, read->off, NULL);
}

static void folded(void *arg, const struct views_answer *a)
{
	struct text *text = a->error == 0 ? text_of_rendering(a->rendering) : NULL;

	arrive(arg, a->error == 0 && !text ? -ENOMEM : a->error, 0, text);
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;

	past_cancel(m->past, req);
}

static void begin(const struct trip *template)
{
	struct mount *m = template->mount;
	struct trip *t = malloc(sizeof(*t));
	const char *view;
	uint64_t seq;

	if (!t) {
		if (template->file)
			file_unref(template->file);
		return reply_error(template->req, -ENOMEM);
	}
	*t = *template;
	nodes_ref(&m->nodes, t->node);
	/* The name was parsed when it was looked up. */
	if (!node_parse_at(t->node->name, &seq, &view))
		return arrive(t, -ENOENT, 0, NULL);
	if (t->node->kind == NODE_AT_APP) {
		t->read = (struct history_read){.seq = seq, .done = found};
		return history_queue_seek(m->history, &t->read);
	}
	fuse_req_interrupt_func(t->req, interrupted, m);
	if (fuse_req_interrupted(t->req))
		return arrive(t, -EINTR, 0, NULL);
	past_want(m->past, view, seq, t->req, folded, t);
}

static void past_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	begin(&(struct trip){.mount = m, .req = req, .node = node});
}

static void past_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct file *f;

	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		return reply_error(req, -EACCES);
	f = file_new(m, node, req, fi);
	if (!f)
		return reply_error(req, -ENOMEM);
	begin(&(struct trip){.mount = m, .req = req, .node = node, .file = f, .fi = *fi});
}

static void past_read(fuse_req_t req, struct file *f, off_t off, size_t size, const struct fuse_file_info *fi)
{
	bool fill = file_is_fill(fi);

	if (!f->text)
		return log_read(req, f, off, size, f->end, fi);
	uint64_t end = f->text->body.len, left = (uint64_t)off < end ? end - (uint64_t)off : 0;
	if (!fill)
		follower_note_read(f, (uint64_t)off, size, min(left, (uint64_t)size), end);
	reply_part(req, (fill ? f->cached : f->text)->body, off, size);
}

static const char *view_of(const struct node *node)
{
	return strchr(node->name, '/') + 1;
}

#define PAST_FILE                                                                                            \
	.mode = S_IFREG | 0444, .getattr = past_getattr, .size_hint = held_size_hint, .open = past_open,     \
	.read = past_read

const struct node_class past_log_file = {PAST_FILE};
const struct node_class past_view_file = {PAST_FILE, .view = view_of};
