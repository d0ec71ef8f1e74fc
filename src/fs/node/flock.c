#include "fs/node/flock.h"

#include <errno.h>
#include <sys/file.h>

#include "fs/node/file.h"
#include "fs/reply.h"

struct flock_wait {
	struct flock_wait *next;
	fuse_req_t req;
	struct file *file; /* the kernel keeps it open until the answer */
	int type;
};

static bool is_free(const struct file *f, int type)
{
	for (const struct file *g = f->mount->flocks.held; g; g = g->flock.next)
		if (g != f && node_main(g->node) == node_main(f->node) &&
		    (type == LOCK_EX || g->flock.type == LOCK_EX))
			return false;
	return true;
}

static void hold(struct file *f, int type)
{
	struct file **list = &f->mount->flocks.held;

	f->flock = (struct flock_held){.type = type, .next = *list, .prevp = list};
	if (f->flock.next)
		f->flock.next->flock.prevp = &f->flock.next;
	*list = f;
}

/* False: it has none. */
static bool let_go(struct file *f)
{
	if (!f->flock.type)
		return false;
	*f->flock.prevp = f->flock.next;
	if (f->flock.next)
		f->flock.next->flock.prevp = f->flock.prevp;
	f->flock = (struct flock_held){0};
	return true;
}

static void remove_at(struct flock_wait **p, int error)
{
	struct flock_wait *w = *p;

	*p = w->next;
	reply_error(w->req, error);
	free(w);
}

static void grant(struct mount *m)
{
	struct flock_wait **p = &m->flocks.waiting;

	while (*p) {
		struct flock_wait *w = *p;
		if (is_free(w->file, w->type)) {
			/* Another thread of the same process may have got one by the same descriptor. */
			let_go(w->file);
			hold(w->file, w->type);
			remove_at(p, 0);
		} else {
			p = &w->next;
		}
	}
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;
	struct flock_wait **p = &m->flocks.waiting;

	while (*p && (*p)->req != req)
		p = &(*p)->next;
	if (*p)
		remove_at(p, -EINTR);
}

static void wait_for(fuse_req_t req, struct file *f, int type)
{
	struct mount *m = f->mount;
	struct flock_wait *w, **p = &m->flocks.waiting;

	/* An interrupt comes in on this thread: it is here already, or it will find the request. */
	fuse_req_interrupt_func(req, interrupted, m);
	if (fuse_req_interrupted(req))
		return reply_error(req, -EINTR);
	w = malloc(sizeof(*w));
	if (!w)
		return reply_error(req, -ENOMEM);
	*w = (struct flock_wait){.req = req, .file = f, .type = type};
	while (*p)
		p = &(*p)->next;
	*p = w;
}

void flock_request(fuse_req_t req, struct file *f, int op)
{
	int type = op & (LOCK_SH | LOCK_EX);

	if (f->flock.type == type)
		return reply_error(req, 0);
	/* As flock(2) has it: the old lock goes in any case, and others may come first. */
	bool changed = let_go(f);
	if (!type || is_free(f, type)) {
		if (type)
			hold(f, type);
		reply_error(req, 0);
	} else if (op & LOCK_NB) {
		reply_error(req, -EWOULDBLOCK);
	} else {
		wait_for(req, f, type);
	}
	if (changed)
		grant(f->mount);
}

void flock_release(struct file *f)
{
	if (let_go(f))
		grant(f->mount);
}

void flocks_end(struct mount *m)
{
	while (m->flocks.waiting)
		remove_at(&m->flocks.waiting, -ENOTCONN);
}
