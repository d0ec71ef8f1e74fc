#include "fs/follower.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

#include "fs/file.h"
#include "fs/reply.h"

static void put(struct file *f, struct file **list)
{
	struct follower *w = &f->follower;

	w->next = *list;
	w->prevp = list;
	if (w->next)
		w->next->follower.prevp = &w->next;
	*list = f;
}

/* Under the lock: the file is in a list while somebody waits on it. */
static void enlist(struct file *f)
{
	if (!f->follower.prevp)
		put(f, &f->mount->follow.files);
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

void follower_begin(struct mount *m)
{
	struct follow *follow = &m->follow;

	assert(!follow->round);
	follow->round = take_ptr(follow->files);
	if (follow->round)
		follow->round->follower.prevp = &follow->round;
}

struct file *follower_next(struct mount *m)
{
	struct file *f = m->follow.round;

	if (f) {
		delist(f);
		enlist(f);
	}
	return f;
}

void follower_init(struct file *f)
{
	f->follower = (struct follower){.last = &f->follower.first};
}

/* Under the lock: who is to be told now, NULL: nobody; gives who was. */
static struct fuse_pollhandle *set_poll(struct file *f, struct fuse_pollhandle *ph)
{
	struct follow *follow = &f->mount->follow;
	struct fuse_pollhandle *old = f->follower.poll;

	f->follower.poll = ph;
	follow->waiting += (ph != NULL) - (old != NULL);
	if (f->node->kind == NODE_STATUS)
		follow->status_polls += (ph != NULL) - (old != NULL);
	return old;
}

void follower_deinit(struct file *f)
{
	struct fuse_pollhandle *ph = set_poll(f, NULL);

	if (ph)
		fuse_pollhandle_destroy(ph);
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

static bool has_no_news(const struct file *f)
{
	return f->node->kind == NODE_AT_APP || f->node->kind == NODE_AT_VIEW || f->node->kind == NODE_CTL;
}

/* What the file is about. TOPICS: nothing that changes. */
static enum topic topic_of(const struct file *f)
{
	enum node_kind kind = f->node->kind;

	if (is_of_view(f))
		return TOPIC_VIEW;
	if (node_is_log(kind) || node_is_tail(kind) || kind == NODE_HEAD_APP)
		return TOPIC_LOG;
	return kind == NODE_REJECTED ? TOPIC_REJECTED : kind == NODE_STATUS ? TOPIC_STATUS : TOPICS;
}

uint64_t follower_error(const char *why)
{
	return why[0] ? log_hash(slice_of(why)) : 0;
}

struct seen follower_state(struct mount *m, enum topic topic, const char *view)
{
	struct seen now = {.off = eventlog_head(m->log).off, .something = true};
	struct view_status status = {0};

	if (topic == TOPIC_REJECTED)
		now.version = rejected_count(&m->rejected);
	if (topic == TOPIC_STATUS) {
		pthread_mutex_lock(&m->lock);
		status_clock_settle(&m->status);
		now.version = m->status.version;
		pthread_mutex_unlock(&m->lock);
	}
	if (topic != TOPIC_VIEW)
		return now;
	now.broken = views_status(m->views, view, &status) < 0 || status.broken;
	now.version = status.version;
	now.error = follower_error(status.why.text);
	return now;
}

/* Is it something else, for this file? */
static bool differs(const struct file *f, const struct seen *was, const struct seen *now)
{
	if (has_no_news(f) || !was->something)
		return !has_no_news(f);
	switch (f->node->kind) {
	case NODE_EVENTS_APP:
	case NODE_EVENTS_APP_AT:
	case NODE_TAIL_APP:
	case NODE_TAIL_APP_AT:
	case NODE_HEAD_APP:
		return now->off != was->off;
	case NODE_VIEW_JSON:
	case NODE_TAIL_VIEW:
	case NODE_REJECTED:
	case NODE_STATUS:
		return now->broken != was->broken || (!now->broken && now->version != was->version);
	case NODE_VIEW_ERROR:
		return now->error != was->error;
	default:
		return now->broken != was->broken || (!now->broken && now->off != was->off) ||
		       (f->node->kind == NODE_VIEW_SNAPSHOT && !now->broken && now->version != was->version);
	}
}

/* Is there something that the file has not read? */
static bool has_news(const struct file *f, const struct seen *now)
{
	const struct follower *w = &f->follower;
	enum node_kind kind = f->node->kind;

	if (node_is_log(kind) || kind == NODE_TAIL_APP || kind == NODE_TAIL_APP_AT)
		return now->off > w->pos;
	if (kind == NODE_TAIL_VIEW && f->text && w->pos < f->text->body.len)
		return true;
	return differs(f, &w->seen, now);
}

/* Is it ready whatever has changed, since its end is still to be told? */
static bool has_end_to_come(const struct file *f)
{
	return !node_is_tail(f->node->kind) && !f->follower.ended;
}

void follower_note_read(struct file *f, uint64_t off, size_t n, uint64_t end)
{
	struct follower *w = &f->follower;
	bool log = node_is_log(f->node->kind);

	pthread_mutex_lock(&f->mount->lock);
	bool again = w->whole;
	w->whole = off == 0 && n == end;
	w->seen.something = true;
	if (n == 0) {
		w->ended = true;
		w->pos = end;
	} else if (log && w->ended && off == w->pos) {
		w->pos = off + n;
	} else {
		w->ended = !log && w->whole && again;
	}
	pthread_mutex_unlock(&f->mount->lock);
}

bool follower_is_over(const struct file *f)
{
	return f->mount->follow.stop || (f->mount->follow.detached && node_is_tail(f->node->kind));
}

/* Has the file to be looked at, now that this has changed? */
static bool concerns(const struct file *f, enum topic topic, const char *view)
{
	if (topic == TOPIC_LOG && tells_position(f))
		return true;
	return topic == topic_of(f) && (topic != TOPIC_VIEW || strcmp(f->node->name, view) == 0);
}

bool follower_must_read(const struct file *f, enum topic topic, const char *view, const struct seen *now)
{
	return f->follower.first && !f->follower.reading && concerns(f, topic, view) &&
	       (has_news(f, now) || follower_is_over(f));
}

bool follower_must_poll(struct file *f, enum topic topic, const char *view, const struct seen *now)
{
	struct follower *w = &f->follower;

	if (!w->poll || !concerns(f, topic, view))
		return false;
	if (follower_is_over(f))
		return true;
	/* Of the log it is known only where the head is: who knows a view's position has read less than that. */
	if (topic == TOPIC_LOG && is_of_view(f))
		return now->off != w->told.off && (!w->ended || (!w->seen.broken && now->off != w->seen.off));
	if (!differs(f, &w->told, now))
		return false;
	if (has_end_to_come(f) || has_news(f, now))
		return true;
	/* It was read before anybody told of it. What comes next is news, even if that is what was told last. */
	w->told = *now;
	return false;
}

struct fuse_pollhandle *follower_take_poll(struct file *f, enum topic topic, const struct seen *now)
{
	if (now && topic == TOPIC_LOG)
		f->follower.told.off = now->off;
	else if (now)
		f->follower.told = *now;
	if (now)
		f->follower.told.something = true;
	if (!f->follower.first)
		delist(f);
	return set_poll(f, NULL);
}

/* POLLPRI is for news of a text, which is to be read from its beginning; the log is read on. */
static unsigned events_of(const struct file *f, const struct seen *now)
{
	bool plain = node_is_log(f->node->kind) || node_is_tail(f->node->kind);
	bool news = has_news(f, now), over = follower_is_over(f);
	unsigned events = (f->flags & O_ACCMODE) == O_RDONLY ? 0 : POLLOUT;

	if (news || over || has_end_to_come(f))
		events |= POLLIN | POLLRDNORM;
	if ((news || over) && !plain)
		events |= POLLPRI;
	return events;
}

void follower_poll(fuse_req_t req, struct file *f, struct fuse_pollhandle *ph)
{
	struct mount *m = f->mount;
	struct fuse_pollhandle *old = ph;

	pthread_mutex_lock(&m->lock);
	bool alone = !f->follower.poll;
	if (ph) {
		old = set_poll(f, ph);
		enlist(f);
	}
	pthread_mutex_unlock(&m->lock);
	if (old)
		fuse_pollhandle_destroy(old);
	/* Looked at after the wait was entered: a change in between is seen here, or told by the thread, or both. */
	struct seen now = follower_state(m, topic_of(f), f->node->name);
	pthread_mutex_lock(&m->lock);
	unsigned events = events_of(f, &now);
	/* By this very answer; but others who have waited since before it are still to be told. */
	if (alone || !f->follower.told.something)
		f->follower.told = now;
	pthread_mutex_unlock(&m->lock);
	fuse_reply_poll(req, events);
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

static struct tail_wait *find_wait(struct file *list, fuse_req_t req)
{
	for (struct file *f = list; f; f = f->follower.next)
		for (struct tail_wait **p = &f->follower.first; *p; p = &(*p)->next)
			if ((*p)->req == req)
				return take_wait(f, p);
	return NULL;
}

void follower_interrupt(struct mount *m, fuse_req_t req)
{
	struct tail_wait *found;

	pthread_mutex_lock(&m->lock);
	found = find_wait(m->follow.files, req);
	if (!found)
		found = find_wait(m->follow.round, req);
	pthread_mutex_unlock(&m->lock);
	if (found) {
		reply_error(req, -EINTR);
		free(found);
	}
}
