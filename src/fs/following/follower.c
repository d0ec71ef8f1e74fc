#include "fs/following/follower.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

#include "fs/following/turn.h"
#include "fs/node/node_class.h"
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

void follower_saw(struct file *f, const struct seen *seen)
{
	pthread_mutex_lock(&f->mount->follow.lock);
	f->follower.seen = *seen;
	pthread_mutex_unlock(&f->mount->follow.lock);
}

void follower_saw_end(struct file *f, const struct seen *seen)
{
	pthread_mutex_lock(&f->mount->follow.lock);
	f->follower.seen = *seen;
	f->follower.ended = true;
	pthread_mutex_unlock(&f->mount->follow.lock);
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

/* What the file is about. TOPICS: nothing that changes. */
static enum topic topic_of(const struct file *f)
{
	return class_of(f->node)->differs ? class_of(f->node)->topic : TOPICS;
}

/* Under the lock: so many more wait. */
static void count_waits(const struct file *f, int more)
{
	struct follow *follow = &f->mount->follow;

	follow->waiting += (uint64_t)more;
	if (topic_of(f) == TOPIC_VIEW)
		follow->view_waits += (uint64_t)more;
}

/* Under the lock: who is to be told now, NULL: nobody; gives who was. */
static struct fuse_pollhandle *set_poll(struct file *f, struct fuse_pollhandle *ph)
{
	struct follow *follow = &f->mount->follow;
	struct fuse_pollhandle *old = f->follower.poll;

	f->follower.poll = ph;
	count_waits(f, (ph != NULL) - (old != NULL));
	if (topic_of(f) == TOPIC_STATUS)
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
	if (topic == TOPIC_STATUS)
		now.version = status_clock_now(&m->status, NULL);
	if (topic != TOPIC_VIEW)
		return now;
	now.broken = views_status(m->views, view, &status) < 0 || status.broken;
	now.version = status.version;
	now.error = follower_error(status.why.text);
	return now;
}

bool seen_other_place(const struct seen *was, const struct seen *now)
{
	return now->off != was->off;
}

bool seen_other_state(const struct seen *was, const struct seen *now)
{
	return now->broken != was->broken || (!now->broken && now->version != was->version);
}

bool seen_other_position(const struct seen *was, const struct seen *now)
{
	return now->broken != was->broken || (!now->broken && now->off != was->off);
}

bool seen_other_snapshot(const struct seen *was, const struct seen *now)
{
	return seen_other_position(was, now) || seen_other_state(was, now);
}

bool seen_other_error(const struct seen *was, const struct seen *now)
{
	return now->error != was->error;
}

/* Is it something else, for this file? */
static bool differs(const struct file *f, const struct seen *was, const struct seen *now)
{
	const struct node_class *class = class_of(f->node);

	return class->differs && (!was->something || class->differs(was, now));
}

/* Is there something that the file has not read? */
static bool has_news(const struct file *f, const struct seen *now)
{
	const struct node_class *class = class_of(f->node);
	const struct follower *w = &f->follower;

	if (class->reads_on)
		return now->off > w->pos;
	if (w->pos < w->len)
		return true;
	return differs(f, &w->seen, now);
}

bool follower_has_news(const struct file *f)
{
	struct mount *m = f->mount;
	struct seen now = follower_state(m, topic_of(f), f->node->name);

	pthread_mutex_lock(&m->follow.lock);
	bool news = has_news(f, &now);
	pthread_mutex_unlock(&m->follow.lock);
	return news;
}

/* Is it ready whatever has changed, since its end is still to be told? */
static bool has_end_to_come(const struct file *f)
{
	return !class_of(f->node)->blocks && !f->follower.ended;
}

/* Under the lock, of an end: is it that of what its program fills a buffer with, and not yet the end for it?
 * (Who reads all that there is, and so a byte more, means it: Python's read().) Only the first can be that:
 * who is told once more each time, and takes it for the same, would never wait. */
static bool goes_on_filling(struct follower *w, size_t size)
{
	bool first = !w->met_end;

	w->met_end = true;
	return first && w->selects && w->room > 1 && size == w->room;
}

void follower_note_read(struct file *f, uint64_t off, size_t size, size_t n, uint64_t end)
{
	struct follower *w = &f->follower;
	bool log = class_of(f->node)->reads_on;

	pthread_mutex_lock(&f->mount->follow.lock);
	bool again = w->whole;
	w->whole = off == 0 && n == end;
	w->seen.something = true;
	if (n == 0) {
		w->ended = !goes_on_filling(w, size);
		w->pos = end;
	} else if (log && w->ended && off == w->pos) {
		w->pos = off + n;
	} else {
		w->ended = !log && w->whole && again;
	}
	w->room = n > 0 ? size - n : 0;
	pthread_mutex_unlock(&f->mount->follow.lock);
}

bool follower_is_over(const struct file *f)
{
	return f->mount->follow.stop || (f->mount->follow.detached && class_of(f->node)->blocks);
}

/* Has the file to be looked at, now that this has changed? */
static bool concerns(const struct file *f, enum topic topic, const char *view)
{
	if (topic == TOPIC_LOG && class_of(f->node)->tells_position)
		return true;
	return topic == topic_of(f) && (topic != TOPIC_VIEW || strcmp(f->node->name, view) == 0);
}

bool follower_must_read(const struct file *f, enum topic topic, const char *view, const struct seen *now)
{
	return turn_is_free(f) && concerns(f, topic, view) && (has_news(f, now) || follower_is_over(f));
}

bool follower_must_poll(struct file *f, enum topic topic, const char *view, const struct seen *now)
{
	struct follower *w = &f->follower;

	if (!w->poll || !concerns(f, topic, view))
		return false;
	if (follower_is_over(f))
		return true;
	/* Of the log it is known only where the head is: who knows a view's position has read less than
	 * that. */
	if (topic == TOPIC_LOG && topic_of(f) == TOPIC_VIEW)
		return now->off != w->told.off && (!w->ended || (!w->seen.broken && now->off != w->seen.off));
	if (!differs(f, &w->told, now))
		return false;
	if (has_end_to_come(f) || has_news(f, now))
		return true;
	/* It was read before anybody told of it. What comes next is news, even if that is what was told
	 * last. */
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
	const struct node_class *class = class_of(f->node);
	bool plain = class->reads_on || class->blocks;
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

	pthread_mutex_lock(&m->follow.lock);
	bool alone = !f->follower.poll;
	if (ph) {
		old = set_poll(f, ph);
		enlist(f);
	}
	pthread_mutex_unlock(&m->follow.lock);
	if (old)
		fuse_pollhandle_destroy(old);
	/* Looked at after the wait was entered: a change in between is seen here, or told by the thread,
	 * or both. */
	struct seen now = follower_state(m, topic_of(f), f->node->name);
	pthread_mutex_lock(&m->follow.lock);
	unsigned events = events_of(f, &now);
	f->follower.selects |= !f->follower.ended;
	/* By this very answer; but others who have waited since before it are still to be told. */
	if (alone || !f->follower.told.something)
		f->follower.told = now;
	pthread_mutex_unlock(&m->follow.lock);
	/* What came before, while nobody waited, and may not be told yet: the thread does not know of it. */
	if (ph && topic_of(f) == TOPIC_STATUS && status_clock_left(&m->status) != CLOCK_FOREVER)
		follow_wake(m);
	fuse_reply_poll(req, events);
}

void follower_enter(struct file *f)
{
	count_waits(f, 1);
	enlist(f);
}

void follower_leave(struct file *f)
{
	count_waits(f, -1);
	if (!f->follower.first && !f->follower.poll)
		delist(f);
}

static struct tail_wait *take_out(struct file *list, fuse_req_t req)
{
	struct tail_wait *found = NULL;

	for (struct file *f = list, *next; f && !found; f = next) {
		next = f->follower.next;
		found = turn_take_out(f, req);
	}
	return found;
}

void follower_interrupt(struct mount *m, fuse_req_t req)
{
	struct tail_wait *found;

	pthread_mutex_lock(&m->follow.lock);
	found = take_out(m->follow.files, req);
	if (!found)
		found = take_out(m->follow.round, req);
	pthread_mutex_unlock(&m->follow.lock);
	if (found) {
		reply_error(req, -EINTR);
		free(found);
	}
}
