#include "cli/watched.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/process.h"
#include "model/link/patience.h"

#define TICK_MS 100

struct watched {
	const struct fold_mark *mark;
	pid_t pid;
	clockid_t clock;
	uint32_t phase; /* at the last look, like the next */
	uint64_t seq, cpu_ns, ns;
	struct patience patience;
};

const char *watched_place(const struct fold_mark *mark, char text[80])
{
	text[0] = '\0';
	if (mark->phase == FOLD_FOLDING)
		snprintf(text, 80, " on event %llu at offset %llu", (unsigned long long)mark->seq,
			 (unsigned long long)mark->off);
	return text;
}

static char state_of(const struct watched *w)
{
	auto_close int fd = process_open(w->pid, "stat");
	struct process_stat stat;

	return process_stat(fd, &stat) ? stat.state : 0;
}

static enum patience_verdict look(struct watched *w, unsigned timeout_ms, unsigned *ret_ms)
{
	const struct patience_limits limits = {.event_ms = timeout_ms};
	uint32_t phase = w->mark->phase;
	uint64_t seq = w->mark->seq, now = clock_ns(), cpu = process_cpu_ns(w->clock, w->cpu_ns);
	struct patience_look look = {
	    .phase = phase,
	    .same = phase == w->phase && seq == w->seq,
	    .state = state_of(w),
	    .cpu_ns = cpu - w->cpu_ns,
	    /* While this process was stopped, the other one may have been, too. */
	    .passed_ns = min(now - w->ns, 2000000ull * TICK_MS),
	    .views = 1,
	};

	w->phase = phase;
	w->seq = seq;
	w->cpu_ns = cpu;
	w->ns = now;
	return patience_judge(&w->patience, &limits, &look, ret_ms);
}

/* Until it has ended, or is to be. */
static void watch(struct watched *w, int pidfd, unsigned timeout_ms, struct diag *why)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	char place[80];
	unsigned ms;

	while (poll(&end, 1, TICK_MS) <= 0) {
		enum patience_verdict verdict = look(w, timeout_ms, &ms);
		if (verdict == PATIENCE_WAIT)
			continue;
		diag_set(why, 0,
			 verdict == PATIENCE_BUSY ? "took longer than %u ms%s" : "did nothing for %u ms%s",
			 ms, watched_place(w->mark, place));
		kill(w->pid, SIGKILL);
		return;
	}
}

int watched_wait(pid_t pid, const struct fold_mark *mark, unsigned timeout_ms, struct diag *why)
{
	struct watched w = {.mark = mark, .pid = pid, .ns = clock_ns()};
	auto_close int pidfd = pidfd_open(pid, 0);
	int status;

	/* Without a descriptor for it there would be no watch: then it is not run on. */
	if (pidfd < 0 || clock_getcpuclockid(pid, &w.clock) != 0) {
		diag_set(why, 0, "can't be watched");
		kill(pid, SIGKILL);
	} else {
		watch(&w, pidfd, timeout_ms, why);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}
