#include "fs/log/open_log.h"

#include <assert.h>
#include <errno.h>

void open_log_init(struct open_log *o, pid_t opener)
{
	*o = (struct open_log){.opener.thread = opener};
	pthread_mutex_init(&o->lock, NULL);
}

void open_log_deinit(struct open_log *o)
{
	assert(o->stage == OPEN_LOG_HERE && !o->closes);
	writer_deinit(&o->writer);
	pthread_mutex_destroy(&o->lock);
}

int open_log_may_write(struct open_log *o)
{
	pthread_mutex_lock(&o->lock);
	int r = o->owed;
	o->owed = 0;
	if (r == 0 && o->stage == OPEN_LOG_LENT)
		r = -EBUSY;
	pthread_mutex_unlock(&o->lock);
	return r;
}

void open_log_lend(struct open_log *o)
{
	pthread_mutex_lock(&o->lock);
	assert(o->stage == OPEN_LOG_HERE);
	o->stage = OPEN_LOG_LENT;
	pthread_mutex_unlock(&o->lock);
}

bool open_log_must_wait(struct open_log *o, struct open_log_close *close)
{
	pthread_mutex_lock(&o->lock);
	bool lent = o->stage == OPEN_LOG_LENT;
	if (lent) {
		struct open_log_close **last = &o->closes;
		while (*last)
			last = &(*last)->next;
		close->next = NULL;
		*last = close;
	}
	pthread_mutex_unlock(&o->lock);
	return lent;
}

struct open_log_close *open_log_give_back(struct open_log *o)
{
	pthread_mutex_lock(&o->lock);
	assert(o->stage == OPEN_LOG_LENT);
	struct open_log_close *next = o->closes;
	if (next)
		o->closes = next->next;
	else
		o->stage = OPEN_LOG_HERE;
	pthread_mutex_unlock(&o->lock);
	return next;
}

int open_log_written(struct open_log *o, struct batch *b, size_t written)
{
	pthread_mutex_lock(&o->lock);
	int r = writer_written(&o->writer, b, written);
	pthread_mutex_unlock(&o->lock);
	return r;
}

int open_log_take_partial(struct open_log *o, const struct writer_rules *rules, struct event *ev,
			  struct batch *b)
{
	struct writer *w = &o->writer;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (w->partial.len > 0)
		r = writer_finish(w, rules, ev, b);
	if (r == 0)
		r = b->bad.error;
	/* Its bytes are there: nothing is reserved for it, and nothing fails. */
	if (r == -EPERM)
		(void)!writer_written(w, b, 0);
	buf_clear(r == 0 ? &w->partial : &b->lines);
	pthread_mutex_unlock(&o->lock);
	return r;
}

bool open_log_cut(struct open_log *o)
{
	pthread_mutex_lock(&o->lock);
	bool first = o->writer.guard.state != GUARD_SAVING;
	o->writer.guard.state = GUARD_SAVING;
	pthread_mutex_unlock(&o->lock);
	return first;
}

void open_log_forget_partial(struct open_log *o)
{
	pthread_mutex_lock(&o->lock);
	buf_clear(&o->writer.partial);
	pthread_mutex_unlock(&o->lock);
}

uint64_t open_log_number(struct open_log *o)
{
	pthread_mutex_lock(&o->lock);
	uint64_t number = ++o->queued;
	/* One before has failed since this write began: its program has not been told. */
	if (unlikely(o->owed))
		o->refused = number;
	pthread_mutex_unlock(&o->lock);
	return number;
}

int open_log_refusal(struct open_log *o, uint64_t number)
{
	pthread_mutex_lock(&o->lock);
	int r = number <= o->refused ? o->refusal : 0;
	pthread_mutex_unlock(&o->lock);
	return r;
}

void open_log_owe(struct open_log *o, uint64_t number, int error)
{
	pthread_mutex_lock(&o->lock);
	/* What was refused because of another is told with that. */
	if (number > o->refused) {
		o->owed = o->refusal = error;
		o->refused = o->queued;
	}
	pthread_mutex_unlock(&o->lock);
}

int open_log_take_owed(struct open_log *o)
{
	pthread_mutex_lock(&o->lock);
	int error = o->owed;
	o->owed = 0;
	pthread_mutex_unlock(&o->lock);
	return error;
}

void open_log_expect(struct open_log *o, const struct log_pos *head)
{
	pthread_mutex_lock(&o->lock);
	o->expect = *head;
	pthread_mutex_unlock(&o->lock);
}

struct log_pos open_log_expected(struct open_log *o)
{
	pthread_mutex_lock(&o->lock);
	struct log_pos expect = o->expect;
	pthread_mutex_unlock(&o->lock);
	return expect;
}
