#include "model/link/patience.h"

#include "base/defs.h"

#define FACTOR 10    /* times the limit for one event, for loading a reducer, reading or writing a state, */
#define LEAST 10000u /* and at least this long; ms */
#define BLOCKED_FACTOR 30
#define BLOCKED_LEAST 30000u
#define STOPPED 3000u
#define SILENT 10000u
#define NS 1000000ull

static unsigned busy_limit(const struct patience_limits *l, enum fold_phase phase)
{
	return phase == FOLD_FOLDING ? l->event_ms : max(l->event_ms * FACTOR, LEAST);
}

static unsigned blocked_limit(const struct patience_limits *l)
{
	return l->blocked_ms ? l->blocked_ms : max(l->event_ms * BLOCKED_FACTOR, BLOCKED_LEAST);
}

static bool is_over(uint64_t *ns, uint64_t more, unsigned limit_ms, unsigned *ret_ms)
{
	*ns += more;
	*ret_ms = limit_ms;
	return *ns >= limit_ms * NS;
}

/* What has passed without its running, where it was not for want of a processor. A reducer has no business
 * with the disk; the worker has, and may wait for it as long as it takes: another one would, too. */
static uint64_t waited(const struct patience_look *look, bool disk_counts)
{
	bool sleeps = look->state == 'S' && look->phase != FOLD_DISK,
	     waits = sleeps || (disk_counts && look->state == 'D');

	return waits && look->passed_ns > look->cpu_ns ? look->passed_ns - look->cpu_ns : 0;
}

static enum patience_verdict judge_call(struct patience *p, const struct patience_limits *l,
					const struct patience_look *look, unsigned *ret_ms)
{
	if (!look->same || look->phase == FOLD_IDLE || look->phase == FOLD_DISK) {
		p->busy_ns = p->blocked_ns = 0;
		return PATIENCE_WAIT;
	}
	if (l->event_ms == 0)
		return PATIENCE_WAIT;
	if (is_over(&p->busy_ns, look->cpu_ns, busy_limit(l, look->phase), ret_ms))
		return PATIENCE_BUSY;
	return is_over(&p->blocked_ns, waited(look, true), blocked_limit(l), ret_ms) ? PATIENCE_BLOCKED
										     : PATIENCE_WAIT;
}

/* Between calls, or from call to call for longer than all of its views together may take. */
static enum patience_verdict judge_silence(struct patience *p, const struct patience_limits *l,
					   const struct patience_look *look, unsigned *ret_ms)
{
	uint64_t used = look->cpu_ns + waited(look, false);
	unsigned most = SILENT + look->views * busy_limit(l, FOLD_LOADING);

	bool outside = look->phase == FOLD_IDLE || look->phase == FOLD_DISK;

	if (look->same && outside && is_over(&p->quiet_ns, used, SILENT, ret_ms))
		return PATIENCE_SILENT;
	if (!look->same || !outside)
		p->quiet_ns = 0;
	return l->event_ms && is_over(&p->silent_ns, used, most, ret_ms) ? PATIENCE_SILENT : PATIENCE_WAIT;
}

/* Asleep, not in the kernel's disk queue: a file system whose other end is a process or another machine. */
static bool waits_for_disk(struct patience *p, const struct patience_limits *l,
			   const struct patience_look *look, unsigned *ret_ms)
{
	if (look->same && look->phase == FOLD_DISK && look->state == 'S')
		return is_over(&p->disk_ns, look->passed_ns, blocked_limit(l), ret_ms);
	p->disk_ns = 0;
	return false;
}

enum patience_verdict patience_judge(struct patience *p, const struct patience_limits *limits,
				     const struct patience_look *look, unsigned *ret_ms)
{
	enum patience_verdict verdict = judge_call(p, limits, look, ret_ms);

	if (!look->asked)
		p->quiet_ns = p->silent_ns = p->stopped_ns = p->disk_ns = 0;
	if (verdict != PATIENCE_WAIT || !look->asked)
		return verdict;
	if (look->state != 'T')
		p->stopped_ns = 0;
	else if (is_over(&p->stopped_ns, look->passed_ns, STOPPED, ret_ms))
		return PATIENCE_STOPPED;
	if (waits_for_disk(p, limits, look, ret_ms))
		return PATIENCE_DISK;
	return judge_silence(p, limits, look, ret_ms);
}
