#include "fs/following/turn.h"

#include <errno.h>

#include "fs/node/node_class.h"
#include "fs/reply.h"

static void lock(const struct file *f)
{
	pthread_mutex_lock(&f->mount->follow.lock);
}

static void unlock(const struct file *f)
{
	pthread_mutex_unlock(&f->mount->follow.lock);
}

void turn_begin(struct file *f, uint64_t pos, bool ends_once)
{
	f->follower.pos = pos;
	f->follower.ends_once = ends_once;
}

/* Waiting. All under the lock. */

static void add(struct file *f, struct tail_wait *wait)
{
	wait->next = NULL;
	*f->follower.last = wait;
	f->follower.last = &wait->next;
	follower_enter(f);
}

static struct tail_wait *take(struct file *f, struct tail_wait **p)
{
	struct tail_wait *wait = *p;

	*p = wait->next;
	if (!*p)
		f->follower.last = p;
	follower_leave(f);
	return wait;
}

struct tail_wait *turn_take_out(struct file *f, fuse_req_t req)
{
	for (struct tail_wait **p = &f->follower.first; *p; p = &(*p)->next)
		if ((*p)->req == req)
			return take(f, p);
	return NULL;
}

bool turn_is_free(const struct file *f)
{
	return f->follower.first && !f->follower.reading;
}

struct tail_wait *turn_give(struct file *f)
{
	f->follower.reading = true;
	return take(f, &f->follower.first);
}

/* Is this read to be told of the end? */
static bool take_end(struct file *f)
{
	bool ends = f->follower.ends_once;

	f->follower.ends_once = false;
	return ends;
}

/* Is there nothing for a read? Of the log that is looked at under the lock: whoever moves the head takes it
 * behind that, to tell those who wait by then. */
static bool must_wait(const struct file *f)
{
	if (f->follower.reading || f->follower.first)
		return true;
	return class_of(f->node)->reads_on && f->follower.pos >= eventlog_head(f->mount->log).off;
}

/* Turns */

enum turn turn_ask(struct file *f, struct tail_wait *wait)
{
	enum turn turn = TURN_WAITS;

	lock(f);
	if (!must_wait(f) || follower_is_over(f))
		turn = TURN_NOW;
	else if (take_end(f))
		turn = TURN_END;
	else if (wait->nonblock)
		turn = TURN_REFUSED;
	if (turn == TURN_NOW)
		f->follower.reading = true;
	if (turn == TURN_WAITS)
		add(f, wait);
	unlock(f);
	return turn;
}

enum turn turn_wait(struct file *f, struct tail_wait *wait)
{
	enum turn turn = TURN_WAITS;

	lock(f);
	f->follower.reading = false;
	bool ends = take_end(f);
	if (ends || follower_is_over(f))
		turn = TURN_END;
	else if (fuse_req_interrupted(
		     wait->req)) /* one that comes from now on finds it among those that wait */
		turn = TURN_INTERRUPTED;
	else if (wait->nonblock)
		turn = TURN_REFUSED;
	if (turn == TURN_WAITS)
		add(f, wait);
	unlock(f);
	return turn;
}

void turn_end(struct file *f)
{
	lock(f);
	f->follower.reading = false;
	unlock(f);
}

void turn_pass(struct file *f)
{
	struct tail_wait *next;

	lock(f);
	/* At the end of all: the notify thread may be gone. */
	while (follower_is_over(f) && f->follower.first) {
		next = take(f, &f->follower.first);
		unlock(f);
		reply_data(next->req, (struct slice){0});
		free(next);
		lock(f);
	}
	bool more = f->follower.first;
	unlock(f);
	if (more)
		follow_recheck(f->mount, f);
}

/* What is read */

bool turn_place(const struct file *f, uint64_t *ret_pos)
{
	lock(f);
	bool over = follower_is_over(f);
	*ret_pos = f->follower.pos;
	unlock(f);
	return !over;
}

void turn_got(struct file *f, size_t n)
{
	lock(f);
	f->follower.pos += n;
	f->follower.given += n;
	unlock(f);
}

struct text *turn_text(struct file *f, size_t size, uint64_t *ret_pos)
{
	struct follower *w = &f->follower;

	lock(f);
	uint64_t pos = w->pos;
	struct text *text = pos < w->len ? text_ref(f->text) : NULL;
	if (text) {
		w->pos = min(pos + size, w->len);
		w->given += w->pos - pos;
	}
	unlock(f);
	*ret_pos = pos;
	return text;
}

/* Has the file given out this very state already? Another version need not be another text: versions go on
 * when a worker is started again. */
static bool has_given(const struct file *f, const struct seen *now, const struct text *text)
{
	const struct seen *seen = &f->follower.seen;

	if (!seen->something || seen->broken != now->broken)
		return false;
	return seen->version == now->version || (f->text && slice_eq(f->text->body, text->body));
}

void turn_saw(struct file *f, const struct seen *seen, struct text *text)
{
	struct follower *w = &f->follower;
	struct text *unused = text;

	/* Without the lock, since it may take a while: text and what was seen are changed only by who has the
	 * turn. */
	bool new = text && !has_given(f, seen, text);
	lock(f);
	w->seen = *seen;
	if (new) {
		unused = f->text;
		f->text = text;
		w->pos = 0;
		w->len = text->body.len;
	}
	unlock(f);
	text_unref(unused);
}

uint64_t turn_given(const struct file *f)
{
	lock(f);
	uint64_t given = f->follower.given;
	unlock(f);
	return given;
}
