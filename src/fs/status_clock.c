#include "fs/status_clock.h"

#define SECOND_NS 1000000000

static int64_t ns_between(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * SECOND_NS + (to->tv_nsec - from->tv_nsec);
}

void status_clock_news(struct status_clock *c)
{
	c->pending = true;
	clock_gettime(CLOCK_REALTIME, &c->news);
}

void status_clock_text(struct status_clock *c, uint64_t hash)
{
	if (c->text && hash != c->text && !c->pending)
		status_clock_news(c);
	c->text = hash;
}

uint64_t status_clock_left(const struct status_clock *c)
{
	struct timespec now;

	if (!c->pending)
		return UINT64_MAX;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t passed = ns_between(&c->changed, &now);
	/* A clock that was set back is no reason to wait. */
	return passed < 0 || passed >= SECOND_NS ? 0 : (uint64_t)(SECOND_NS - passed) / 1000 + 1;
}

void status_clock_settle(struct status_clock *c)
{
	if (status_clock_left(c) > 0)
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
