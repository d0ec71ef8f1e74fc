#include "fs/follower.h"

#include <errno.h>
#include <poll.h>

#include "fs/file.h"
#include "fs/reply.h"

/* Under the lock: the file is in the list while somebody waits on it. */
static void enlist(struct file *f)
{
	struct follow *follow = &f->mount->follow;
	struct follower *w = &f->follower;

	if (w->prevp)
		return;
	w->next = follow->files;
	w->prevp = &follow->files;
	if (w->next)
		w->next->follower.prevp = &w->next;
	follow->files = f;
}

static void delist(struct file *f)
{
	struct follower *w = &f->follower;

	if (!w->prevp)
		return;
	*w->prevp = w->next;
	if (w->next)
		w->next->follower.prevp = w->prevp;
	w->prevp = NULL;
}

void follower_init(struct file *f)
{
	f->follower = (struct follower){.last = &f->follower.first};
	f->follower.last = &f->follower.first;
}

void follower_deinit(struct file *f)
{
	if (f->follower.poll) {
		fuse_pollhandle_destroy(f->follower.poll);
		f->mount->follow.waiting--;
	}
	f->follower.poll = NULL;
	delist(f);
}

static bool is_of_view(const struct file *f)
{
	return node_is_view(f->node->kind) || f->node->kind == NODE_TAIL_VIEW;
}

/* Those of a view's files that tell how far it has read: where they are read that is the log's head, whether the state has
 * changed or not. */
static bool tells_position(const struct file *f)
{
	enum node_kind kind = f->node->kind;

	return kind == NODE_VIEW_OFFSET || kind == NODE_VIEW_HASH || kind == NODE_VIEW_SNAPSHOT;
}

/* How the log (view NULL) or a view stands, as far as it is known without asking anybody. */
struct seen follower_state(struct mount *m, const char *view)
{
	struct seen now = {.off = eventlog_head(m->log).off};
	struct view_status status;

	if (!view)
		return now;
	now.broken = views_status(m->views, view, &status) < 0 || status.broken;
	if (!now.broken)
		now.version = status.version;
	return now;
}

/* Is there something that the file has not read? */
static bool differs(const struct file *f, const struct seen *now)
{
	const struct follower *w = &f->follower;

	switch (f->node->kind) {
	case NODE_EVENTS_APP:
	case NODE_EVENTS_APP_AT:
	case NODE_TAIL_APP:
	case NODE_TAIL_APP_AT:
		return now->off > w->pos;
	case NODE_HEAD_APP:
		return !w->seen.something || now->off != w->seen.off;
	case NODE_VIEW_JSON:
		return !w->seen.something || now->version != w->seen.version || now->broken != w->seen.broken;
	case NODE_TAIL_VIEW:
		return !w->seen.something || now->version != w->seen.version ||
		       now->broken != w->seen.broken || (f->text && w->pos < f->text->body.len);
	default:
		return !w->seen.something || now->broken != w->seen.broken ||
		       (!now->broken && now->off != w->seen.off) ||
		       (f->node->kind == NODE_VIEW_SNAPSHOT && now->version != w->seen.version);
	}
}

bool follower_is_over(const struct file *f)
{
	return f->mount->follow.stop || (f->mount->follow.detached && node_is_tail(f->node->kind));
}

/* Has the file to be looked at, now that the log (view NULL) or this view has changed? */
static bool concerns(const struct file *f, const char *view)
{
	if (!view)
		return !is_of_view(f) || tells_position(f);
	return is_of_view(f) && strcmp(f->node->name, view) == 0;
}

bool follower_is_due(const struct file *f, const char *view, const struct seen *now)
{
	if (!concerns(f, view))
		return false;
	if (follower_is_over(f))
		return true;
	/* Of the log it is known only where the head is: who knows a view's position has read less than that. */
	if (!view && is_of_view(f))
		return !f->follower.seen.broken && now->off != f->follower.seen.off;
	return differs(f, now);
}

struct fuse_pollhandle *follower_take_poll(struct file *f)
{
	struct fuse_pollhandle *ph = f->follower.poll;

	f->follower.poll = NULL;
	f->mount->follow.waiting -= ph != NULL;
	if (!f->follower.first)
		delist(f);
	return ph;
}

void follower_poll(fuse_req_t req, struct file *f, struct fuse_pollhandle *ph)
{
	struct mount *m = f->mount;
	bool follows = node_is_log(f->node->kind) || node_is_tail(f->node->kind) || is_of_view(f) ||
		       f->node->kind == NODE_HEAD_APP;
	unsigned events = (f->flags & O_ACCMODE) == O_RDONLY ? 0 : POLLOUT;
	struct fuse_pollhandle *old = ph;

	if (!follows) {
		if (ph)
			fuse_pollhandle_destroy(ph);
		fuse_reply_poll(req, events | POLLIN);
		return;
	}
	if (ph) {
		pthread_mutex_lock(&m->lock);
		old = f->follower.poll;
		m->follow.waiting += !old;
		f->follower.poll = ph;
		enlist(f);
		pthread_mutex_unlock(&m->lock);
	}
	if (old)
		fuse_pollhandle_destroy(old);
	/* Looked at after the wait was entered: a change in between is seen here, or told by the thread, or both. */
	struct seen now = follower_state(m, is_of_view(f) ? f->node->name : NULL);
	pthread_mutex_lock(&m->lock);
	bool ready = differs(f, &now) || follower_is_over(f);
	pthread_mutex_unlock(&m->lock);
	bool plain = node_is_log(f->node->kind) || node_is_tail(f->node->kind);
	fuse_reply_poll(req, events | (ready ? POLLIN | (plain ? POLLRDNORM : POLLPRI | POLLRDNORM) : 0));
}

void follower_wait(struct file *f, struct tail_wait *wait)
{
	wait->next = NULL;
	*f->follower.last = wait;
	f->follower.last = &wait->next;
	f->mount->follow.waiting++;
	enlist(f);
}

static struct tail_wait *take_wait(struct file *f, struct tail_wait **p)
{
	struct tail_wait *wait = *p;

	*p = wait->next;
	if (!*p)
		f->follower.last = p;
	f->mount->follow.waiting--;
	if (!f->follower.first && !f->follower.poll)
		delist(f);
	return wait;
}

struct tail_wait *follower_take(struct file *f)
{
	return f->follower.first ? take_wait(f, &f->follower.first) : NULL;
}

void follower_interrupt(struct mount *m, fuse_req_t req)
{
	struct tail_wait *found = NULL;

	pthread_mutex_lock(&m->lock);
	for (struct file *f = m->follow.files, *next; f && !found; f = next) {
		next = f->follower.next;
		for (struct tail_wait **p = &f->follower.first; *p && !found; p = found ? p : &(*p)->next)
			if ((*p)->req == req) {
				found = take_wait(f, p);
				break;
			}
	}
	pthread_mutex_unlock(&m->lock);
	if (found) {
		reply_error(req, -EINTR);
		free(found);
	}
}
