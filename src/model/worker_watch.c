/* Is a worker still at work? See patience.h for what is held against it. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "model/worker_handle.h"

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

static uint64_t cpu_of(const struct worker_handle *h)
{
	struct timespec time;

	if (clock_gettime(h->clock, &time) < 0)
		return h->sample_cpu_ns; /* it has ended */
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* "PID (NAME) STATE …", and the name is anything. */
static char state_of(const struct worker_handle *h)
{
	char text[512];

	ssize_t n = h->stat >= 0 ? pread(h->stat, text, sizeof(text) - 1, 0) : 0;
	text[max(n, (ssize_t)0)] = '\0';
	const char *end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : 0;
}

static uint64_t resident(struct worker_handle *h)
{
	char text[128];
	unsigned long long size, pages = 0;

	ssize_t n = h->statm >= 0 ? pread(h->statm, text, sizeof(text) - 1, 0) : 0;
	text[max(n, (ssize_t)0)] = '\0';
	if (sscanf(text, "%llu %llu", &size, &pages) != 2)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void watch_time(struct worker_handle *h, const struct patience_look *look)
{
	const struct patience_limits limits = {h->limits.timeout_ms, h->limits.blocked_ms};
	unsigned ms = 0;
	char why[128];

	switch (patience_judge(&h->patience, &limits, look, &ms)) {
	case PATIENCE_WAIT:
		return;
	case PATIENCE_BUSY:
		snprintf(why, sizeof(why), "took longer than %u ms", ms);
		return worker_handle_kill(h, BLAME_VIEW, why);
	case PATIENCE_BLOCKED:
		snprintf(why, sizeof(why), "did nothing for %u ms", ms);
		return worker_handle_kill(h, BLAME_VIEW, why);
	case PATIENCE_STOPPED:
		snprintf(why, sizeof(why), "was stopped for %u ms", ms);
		return worker_handle_kill(h, BLAME_OUTSIDE, why);
	case PATIENCE_DISK:
		snprintf(why, sizeof(why), "got nothing for %u ms", ms);
		return worker_handle_kill(h, BLAME_OUTSIDE, why);
	case PATIENCE_SILENT:
		snprintf(why, sizeof(why), "did not answer for %u ms", ms);
		return worker_handle_kill(h, BLAME_UNKNOWN, why);
	}
}

static void watch_memory(struct worker_handle *h, bool same)
{
	uint64_t now = h->limits.memory ? resident(h) : 0;
	char why[128];

	h->resident = now;

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
	uint64_t now = clock_ns(), cpu = cpu_of(h);
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
	if (h->limits.memory && !h->fresh && h->given > 0)
		h->fresh = resident(h);
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
