/* Is a worker still at work? See patience.h for what is held against it. */
#include <stdio.h>

#include "base/clock.h"
#include "base/process.h"
#include "model/link/handle.h"

#define TICK_MIN_MS 10u
#define TICK_MAX_MS 100u
#define EVENT_SHARE 4 /* of the memory limit, at most for one event */
#define REPORTS_MS 10000
#define REPORTS_MAX 200 /* in that time */

unsigned worker_handle_tick(const struct worker_handle *h)
{
	unsigned tick = h->limits.timeout_ms ? h->limits.timeout_ms / 8 : TICK_MAX_MS;

	return tick > TICK_MAX_MS ? TICK_MAX_MS : max(tick, TICK_MIN_MS);
}

struct worker_sample worker_handle_sample(struct worker_handle *h)
{
	struct fold_mark *mark = &h->shared->mark;

	return (struct worker_sample){
	    .view = atomic_load_explicit(&mark->view, memory_order_relaxed),
	    .phase = atomic_load_explicit(&mark->phase, memory_order_relaxed),
	    .seq = atomic_load_explicit(&mark->seq, memory_order_relaxed),
	    .off = atomic_load_explicit(&mark->off, memory_order_relaxed),
	    .calls = atomic_load_explicit(&h->shared->calls, memory_order_relaxed),
	};
}

static bool is_same(const struct worker_sample *a, const struct worker_sample *b)
{
	return a->phase == b->phase && a->view == b->view && a->calls == b->calls && a->seq == b->seq;
}

static char state_of(const struct worker_handle *h)
{
	struct process_stat stat;

	return process_stat(h->stat, &stat) ? stat.state : 0;
}

static void watch_time(struct worker_handle *h, const struct patience_look *look)
{
	static const struct {
		const char *what;
		enum worker_blame blame;
	} ends[] = {
	    [PATIENCE_BUSY] = {"took longer than", BLAME_VIEW},
	    [PATIENCE_BLOCKED] = {"did nothing for", BLAME_VIEW},
	    [PATIENCE_STOPPED] = {"was stopped for", BLAME_OUTSIDE},
	    [PATIENCE_DISK] = {"got nothing for", BLAME_OUTSIDE},
	    [PATIENCE_SILENT] = {"did not answer for", BLAME_UNKNOWN},
	};
	const struct patience_limits limits = {h->limits.timeout_ms, h->limits.blocked_ms};
	unsigned ms = 0;
	char why[128];

	enum patience_verdict verdict = patience_judge(&h->patience, &limits, look, &ms);
	if (verdict == PATIENCE_WAIT)
		return;
	snprintf(why, sizeof(why), "%s %u ms", ends[verdict].what, ms);
	worker_handle_kill(h, ends[verdict].blame, why);
}

void worker_handle_measure(struct worker_handle *h)
{
	h->resident = h->limits.memory ? process_resident(h->statm) : 0;
}

static void watch_memory(struct worker_handle *h, bool same)
{
	char why[128];

	worker_handle_measure(h);
	uint64_t now = h->resident;
	if (!same)
		h->sample_resident = now;
	/* Long before all of it is gone, which takes a while. */
	if (same && h->sample.phase == FOLD_FOLDING &&
	    now > h->sample_resident + h->limits.memory / EVENT_SHARE) {
		snprintf(why, sizeof(why), "used more than %llu MiB of memory for one event",
			 (unsigned long long)(h->limits.memory / EVENT_SHARE >> 20));
		return worker_handle_kill(h, BLAME_VIEW, why);
	}
	/* By now it should have noticed itself. */
	if (h->limits.memory && now > h->limits.memory + h->limits.memory / EVENT_SHARE) {
		snprintf(why, sizeof(why), "used more than %llu MiB of memory",
			 (unsigned long long)(h->limits.memory >> 20));
		worker_handle_kill(h, BLAME_MEMORY, why);
	}
}

/* One at a time. Where there is no room for it there is enough to be read. */
static void ask(struct worker_handle *h)
{
	struct message ping = {.type = MSG_PING, .seq = h->pings + 1};

	if (h->pings != h->pongs)
		return;
	/* What somebody else sends meanwhile may stand behind it, and does not count as answered. */
	h->ping_sent = atomic_load(&h->sent) + 1;
	h->pings++;
	if (worker_handle_send(h, &ping, (struct slice){0}, NULL, 0) < 0)
		h->pings--;
}

void worker_handle_watch(struct worker_handle *h)
{
	struct worker_sample s = worker_handle_sample(h);
	uint64_t now = clock_ns(), cpu = process_cpu_ns(h->clock, h->sample_cpu_ns);
	struct patience_look look = {
	    .phase = s.phase,
	    .same = h->sample_ns > 0 && is_same(&s, &h->sample),
	    .asked = h->pings != h->pongs,
	    .cpu_ns = cpu - h->sample_cpu_ns,
	    /* A gap between two looks (a daemon that was stopped) is nobody's fault. */
	    .passed_ns = min(now - h->sample_ns, 2000000ull * worker_handle_tick(h)),
	    .views = atomic_load(&h->slots_taken),
	};

	if (look.asked || look.same)
		look.state = state_of(h);
	h->sample = s;
	h->sample_ns = now;
	h->sample_cpu_ns = cpu;
	if (atomic_load(&h->unsound))
		return worker_handle_kill(h, BLAME_UNKNOWN, "told what can't be");
	watch_time(h, &look);
	watch_memory(h, look.same);
	ask(h);
}

bool worker_handle_pong(struct worker_handle *h, const struct message *m)
{
	if (m->seq != h->pings || h->pings == h->pongs)
		return false;
	h->pongs = h->pings;
	if (!(m->flags & MSG_IDLE))
		return false;
	h->idle_sent = h->ping_sent;
	h->idle_head = m->off;
	return worker_handle_idle(h);
}

bool worker_handle_may_report(struct worker_handle *h, uint64_t now_ms)
{
	if (now_ms - h->reports_ms >= REPORTS_MS) {
		h->reports_ms = now_ms;
		h->reports = 0;
	}
	return ++h->reports <= REPORTS_MAX;
}
