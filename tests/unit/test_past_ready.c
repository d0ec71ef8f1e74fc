/* Who stands ready for whom, and for how long. */
#include "check.h"

#include "base/clock.h"
#include "model/views/past_impl.h"

static struct worker_handle workers[READY_MAX + 2];

static struct past_run run_at(unsigned worker, uint64_t seq)
{
	return (struct past_run){.worker = &workers[worker], .at = {.seq = seq, .off = seq * 100}};
}

/* -1: none. */
static long take(struct past_ready *r, uint64_t reducer, uint64_t seq, uint64_t off)
{
	const struct log_pos to = {.seq = seq, .off = off};
	struct past_run run;

	return past_ready_take(r, reducer, &to, &run) ? run.worker - workers : -1;
}

static long put(struct past_ready *r, uint64_t reducer, unsigned worker, uint64_t seq, uint64_t now)
{
	const struct past_run run = run_at(worker, seq);
	struct past_run gone;

	past_ready_put(r, reducer, &run, now, &gone);
	return gone.worker ? gone.worker - workers : -1;
}

static long take_stale(struct past_ready *r, uint64_t now)
{
	struct past_run run;

	return past_ready_take_stale(r, now, &run) ? run.worker - workers : -1;
}

static void check_which(void)
{
	struct past_ready r = {0};

	CHECK_INT(take(&r, 7, 5000, 500000), -1);
	CHECK_INT(put(&r, 7, 0, 2000, 10), -1);
	CHECK_INT(put(&r, 7, 1, 2500, 20), -1);
	CHECK_INT(take(&r, 8, 2600, 260000), -1); /* another reducer */
	CHECK_INT(take(&r, 7, 1999, 199900), -1); /* none goes back */
	CHECK_INT(take(&r, 7, 2500 + PAST_STEP + 1, 400000), -1);
	CHECK_INT(take(&r, 7, 2501, 250000 + PAST_NEAR + 1), -1); /* a long way in bytes */
	CHECK_INT(take(&r, 7, 2500 + PAST_STEP, 250000 + PAST_NEAR), 1);
	CHECK_INT(take(&r, 7, 2500, 250000), 0); /* the other one is in somebody's hands */
	CHECK_INT(take(&r, 7, 2500, 250000), -1);
	CHECK_INT(put(&r, 7, 1, 2500, 30), -1);
	CHECK_INT(take(&r, 7, 2500, 250000), 1); /* at the very place */
}

static void check_when(void)
{
	struct past_ready r = {0};

	CHECK(past_ready_stale_ms(&r) == CLOCK_FOREVER);
	CHECK_INT(take_stale(&r, CLOCK_FOREVER), -1);
	for (unsigned i = 0; i < READY_MAX; i++)
		CHECK_INT(put(&r, i + 1, i, 1000, 100 + i), -1);
	CHECK_INT(past_ready_stale_ms(&r), 100 + READY_REST_MS);
	CHECK_INT(take_stale(&r, 99 + READY_REST_MS), -1);
	/* Who has rested for longest makes way. */
	CHECK_INT(put(&r, 50, READY_MAX, 1000, 200), 0);
	CHECK_INT(take_stale(&r, 100 + READY_REST_MS), -1);
	CHECK_INT(take_stale(&r, 101 + READY_REST_MS), 1);
	CHECK_INT(put(&r, 51, READY_MAX + 1, 1000, 300), READY_MAX == 2 ? -1 : 2);
	CHECK_INT(take_stale(&r, CLOCK_FOREVER) >= READY_MAX, 1);
}

int main(void)
{
	check_which();
	check_when();
	return 0;
}
