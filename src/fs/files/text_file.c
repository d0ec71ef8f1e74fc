#include "fs/files/text_file.h"

#include <errno.h>

#include "base/clock.h"
#include "fs/node/held.h"
#include "fs/reply.h"

/* A text on its way: wanted by an open, by a read at offset 0, or for its size by a getattr. */
struct fetch {
	struct mount *mount;
	fuse_req_t req;
	struct node *node; /* with a reference while it waits */
	struct file *file; /* NULL: getattr */
	bool opening;
	struct fuse_file_info fi;
	size_t size; /* of the read */
	struct prover_wait proof;
	struct made made;
};

/* That the view is broken, or gone, has been read, and is an end: poll(2) waits for something else. */
static void note_broken(struct file *f, int error, const struct seen *seen)
{
	if (error != -EIO && error != -ENOENT)
		return;
	struct seen broken = *seen;
	broken.broken = broken.something = true;
	follower_saw_end(f, &broken);
}

static void answer_open(struct fetch *f, struct text *text)
{
	struct file *file = f->file;

	file->follower.seen = f->made.seen; /* nobody else knows the file yet */
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

	follower_note_read(f, (uint64_t)off, size, min(size, text->body.len - from), text->body.len);
}

static void reply_unreadable(const struct fetch *f)
{
	struct timespec changed = f->made.changed;
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
			note_broken(f->file, error, &f->made.seen);
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
	pthread_mutex_unlock(&f->mount->lock);
	f->made.seen.something = false; /* not yet */
	follower_saw(f->file, &f->made.seen);
	text_unref(old);
	note_read(f->file, text, 0, f->size);
	reply_part(f->req, text->body, 0, f->size);
	text_unref(text);
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

	return class_of(f->node)->tells_position ? mtime_max(f->made.changed, state) : state;
}

static void view_answered(void *arg, const struct views_answer *a)
{
	struct fetch *f = arg;
	struct text *text = NULL;
	int error = a->error;

	if (error == 0) {
		struct timespec changed = changed_of_answer(f, a);
		f->made.seen = (struct seen){.off = a->pos.off, .version = a->version};
		text = class_of(f->node)->of_answer(a);
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
	struct mount *m = template->mount;
	struct fetch *f = malloc(sizeof(*f));

	if (!f) {
		struct fetch failed = *template;
		return answer(&failed, -ENOMEM, NULL);
	}
	*f = *template;
	f->node = nodes_ref(&m->nodes, template->node);
	/* An interrupt comes in on this thread: either it is here already, or it finds the request at the
	 * views. */
	fuse_req_interrupt_func(f->req, interrupted, m);
	if (fuse_req_interrupted(f->req)) {
		answer(f, -EINTR, NULL);
		fetch_free(f);
		return;
	}
	enum views_what what = class_of(f->node)->position ? VIEWS_POSITION : VIEWS_STATE;
	views_want(m->views, f->node->name, what, f->req, view_answered, f);
}

static bool is_given_up(const struct prover_wait *wait)
{
	return fuse_req_interrupted(container_of(wait, struct fetch, proof)->req);
}

static void proven(struct prover_wait *wait, int error, const struct proof *proof)
{
	struct fetch *f = container_of(wait, struct fetch, proof);
	struct text *text = NULL;

	if (error == 0) {
		f->made.seen.off = proof->head.off;
		text = class_of(f->node)->of_proof(proof);
		if (text)
			text->changed = f->made.changed;
		else
			error = -ENOMEM;
	}
	answer(f, error, text);
	fetch_free(f);
}

/* How long it is can be told without it. */
static void fetch_proof(const struct fetch *template)
{
	struct mount *m = template->mount;
	struct node *node = template->node;

	if (!template->file) {
		uint64_t size = class_of(node)->proof_size(eventlog_head(m->log).off);
		return reply_attr(template->req, m, node, held_size(m, node, size), &template->made.changed);
	}
	struct fetch *f = malloc(sizeof(*f));
	if (!f) {
		struct fetch failed = *template;
		return answer(&failed, -ENOMEM, NULL);
	}
	*f = *template;
	f->node = nodes_ref(&m->nodes, node);
	f->proof = (struct prover_wait){.given_up = is_given_up, .done = proven};
	prover_want(m->prover, &f->proof);
}

static void fetch(const struct fetch *f)
{
	struct mount *m = f->mount;
	struct node *node = f->node;
	struct fetch now = *f;
	struct buf b = {0};

	now.made.changed = mtime_log(m); /* before it is looked at: never later than what is found */
	if (class_of(node)->of_answer)
		return fetch_view(&now);
	if (class_of(node)->of_proof)
		return fetch_proof(&now);
	int r = class_of(node)->make(m, node, &b, &now.made);
	if (r < 0) {
		buf_deinit(&b);
		return answer(&now, r, NULL);
	}
	struct text *text = text_of_buf(&b);
	if (text)
		text->changed = now.made.changed;
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

void text_file_read(fuse_req_t req, struct file *f, off_t off, size_t size, const struct fuse_file_info *fi)
{
	struct mount *m = f->mount;

	/* Opened to raise inotify: there is no text. */
	if (f->notice)
		return reply_data(req, (struct slice){0});
	if (file_is_fill(fi))
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

bool text_file_is_made_anew(const struct file *f, off_t off, size_t size, const struct fuse_file_info *fi)
{
	return off == 0 && !file_is_fill(fi);
}
