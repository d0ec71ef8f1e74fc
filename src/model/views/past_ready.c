#include "model/views/past_ready.h"

#include "base/clock.h"
#include "model/views/past_impl.h"

static void take(struct ready_run *from, struct past_run *ret)
{
	*ret = from->run;
	*from = (struct ready_run){0};
}

bool past_ready_take(struct past_ready *r, uint64_t reducer, const struct log_pos *to, struct past_run *ret)
{
	struct ready_run *best = NULL;

	for (size_t i = 0; i < READY_MAX; i++) {
		struct ready_run *one = &r->runs[i];
		if (one->run.worker && one->reducer == reducer && one->run.at.seq <= to->seq &&
		    past_is_near(&one->run.at, to) && (!best || one->run.at.seq > best->run.at.seq))
			best = one;
	}
	if (best)
		take(best, ret);
	return best;
}

/* One that is free, or that has rested for longest. */
static struct ready_run *place(struct past_ready *r)
{
	struct ready_run *best = &r->runs[0];

	for (size_t i = 1; i < READY_MAX; i++)
		if (r->runs[i].until_ms < best->until_ms) /* 0 where it is free */
			best = &r->runs[i];
	return best;
}

void past_ready_put(struct past_ready *r, uint64_t reducer, const struct past_run *run, uint64_t now_ms,
		    struct past_run *ret)
{
	struct ready_run *free = place(r);

	take(free, ret);
	*free = (struct ready_run){*run, reducer, now_ms + READY_REST_MS};
}

bool past_ready_take_stale(struct past_ready *r, uint64_t now_ms, struct past_run *ret)
{
	for (size_t i = 0; i < READY_MAX; i++) {
		struct ready_run *one = &r->runs[i];
		if (!one->run.worker || one->until_ms > now_ms)
			continue;
		take(one, ret);
		return true;
	}
	return false;
}

uint64_t past_ready_stale_ms(const struct past_ready *r)
{
	uint64_t at = CLOCK_FOREVER;

	for (size_t i = 0; i < READY_MAX; i++)
		if (r->runs[i].run.worker)
			at = min(at, r->runs[i].until_ms);
	return at;
}
