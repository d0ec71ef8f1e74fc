#include "fs/past_file.h"

#include <errno.h>

#include "fs/reply.h"

/* A place or state in the past on its way: for an open, or for its size. */
struct trip {
	struct mount *mount;
	fuse_req_t req;
	struct node *node;
	struct file *file; /* NULL: getattr */
	struct fuse_file_info fi;
};

static void answer(struct trip *t, const struct views_answer *a)
{
	bool log = t->node->kind == NODE_AT_APP;
	struct text *text = NULL;
	int error = a->error;

	/* A broken view can't be read, but it is there, and can be listed. */
	if (error == -EIO && !log && !t->file)
		return reply_attr(t->req, t->mount, t->node, 0);
	if (error == 0 && !log) {
		text = text_of_rendering(a->rendering);
		error = text ? 0 : -ENOMEM;
	}
	if (error < 0) {
		if (t->file)
			file_unref(t->file);
		return reply_error(t->req, error);
	}
	if (!t->file) {
		reply_attr(t->req, t->mount, t->node, log ? a->pos.off : text->body.len);
		text_unref(text);
		return;
	}
	t->file->end = a->pos.off;
	t->file->text = text;
	reply_open(t->req, &t->fi, t->file);
}

static void arrived(void *arg, const struct views_answer *a)
{
	struct trip *t = arg;

	answer(t, a);
	free(t);
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;

	past_cancel(m->past, req);
}

static void begin(const struct trip *template)
{
	struct mount *m = template->mount;
	struct trip *t = malloc(sizeof(*t)), failed = *template;
	const char *view;
	uint64_t seq;

	/* The name was parsed when it was looked up. */
	if (!t || !node_parse_at(template->node->name, &seq, &view)) {
		free(t);
		return answer(&failed, &(struct views_answer){ .error = t ? -ENOENT : -ENOMEM });
	}
	*t = *template;
	fuse_req_interrupt_func(t->req, interrupted, m);
	if (fuse_req_interrupted(t->req))
		return arrived(t, &(struct views_answer){ .error = -EINTR });
	views_refresh(m->views);
	past_want(m->past, view, seq, t->req, arrived, t);
}

void past_file_getattr(struct mount *m, fuse_req_t req, struct node *node)
{
	begin(&(struct trip){ .mount = m, .req = req, .node = node });
}

void past_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi)
{
	struct file *f;

	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		return reply_error(req, -EACCES);
	f = file_new(m, node, req, fi);
	if (!f)
		return reply_error(req, -ENOMEM);
	begin(&(struct trip){ .mount = m, .req = req, .node = node, .file = f, .fi = *fi });
}

struct past_read {
	struct history_read read;
	fuse_req_t req;
};

static void read_done(struct history_read *read, int error, struct slice data)
{
	struct past_read *r = container_of(read, struct past_read, read);

	if (error < 0)
		reply_error(r->req, error);
	else
		reply_data(r->req, data);
	free(r);
}

void past_file_read(fuse_req_t req, struct file *f, off_t off, size_t size)
{
	struct past_read *r;

	if (f->text)
		return reply_part(req, f->text->body, off, size);
	if ((uint64_t)off >= f->end)
		return reply_data(req, (struct slice){ 0 });
	r = malloc(sizeof(*r));
	if (!r)
		return reply_error(req, -ENOMEM);
	*r = (struct past_read){
		.read = { .off = (uint64_t)off, .size = size, .limit = f->end, .done = read_done },
		.req = req,
	};
	history_queue(f->mount->history, &r->read);
}
