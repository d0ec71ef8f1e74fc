#include "fs/following/status_clock.h"

#define SECOND_NS 1000000000

static int64_t ns_between(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * SECOND_NS + (to->tv_nsec - from->tv_nsec);
}

void status_clock_init(struct status_clock *c, const struct timespec *changed)
{
	*c = (struct status_clock){.changed = *changed};
	pthread_mutex_init(&c->lock, NULL);
}

void status_clock_deinit(struct status_clock *c)
{
	pthread_mutex_destroy(&c->lock);
}

/* This and the next two: under the lock. */
static void note(struct status_clock *c)
{
	c->pending = true;
	clock_gettime(CLOCK_REALTIME, &c->news);
}

static uint64_t left(const struct status_clock *c)
{
	struct timespec now;

	if (!c->pending)
		return CLOCK_FOREVER;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t passed = ns_between(&c->changed, &now);
	/* A clock that was set back is no reason to wait. */
	return passed < 0 || passed >= SECOND_NS ? 0 : (uint64_t)(SECOND_NS - passed) / 1000 + 1;
}

static void tell(struct status_clock *c)
{
	if (left(c) > 0)
		return;
	int64_t passed = ns_between(&c->changed, &c->news);
	/* What came within the second of the last one counts from the second's end. */
	if (passed >= 0 && passed < SECOND_NS)
		c->changed.tv_sec++;
	else
		c->changed = c->news;
	c->pending = false;
	c->version++;
}

void status_clock_news(struct status_clock *c)
{
	pthread_mutex_lock(&c->lock);
	note(c);
	pthread_mutex_unlock(&c->lock);
}

void status_clock_text(struct status_clock *c, uint64_t hash)
{
	pthread_mutex_lock(&c->lock);
	if (c->text && hash != c->text && !c->pending)
		note(c);
	c->text = hash;
	pthread_mutex_unlock(&c->lock);
}

uint64_t status_clock_left(struct status_clock *c)
{
	pthread_mutex_lock(&c->lock);
	uint64_t us = left(c);
	pthread_mutex_unlock(&c->lock);
	return us;
}

uint64_t status_clock_now(struct status_clock *c, struct timespec *ret_changed)
{
	pthread_mutex_lock(&c->lock);
	tell(c);
	uint64_t version = c->version;
	if (ret_changed)
		*ret_changed = c->changed;
	pthread_mutex_unlock(&c->lock);
	return version;
}
