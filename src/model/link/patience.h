/* For how long a worker is waited for. Pure: what was seen of it goes in, a verdict comes out.
 *
 * What counts against a reducer is the processor's time that it has taken for one event, not the time that
 * has passed: a machine that was busy, asleep or stopped is not its fault. Time in which it neither runs nor
 * could run counts, too, but there is far more of that. A process that somebody has stopped is told apart,
 * and one that doesn't answer although no reducer runs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/engine/fold.h"

struct patience_limits {
	unsigned event_ms;   /* of the processor's time for one event; 0: the two of reducers do not count */
	unsigned blocked_ms; /* for one event, in which it does not run; 0: a default */
};

/* Since the last look. */
struct patience_look {
	enum fold_phase phase;
	bool same;  /* it is at the very call into a reducer (or between the same two) where it was then */
	bool asked; /* and has been asked for a sign of life that has not come */
	char state; /* of the process, as in /proc/PID/stat: R, S, D, T, t; 0: not known */
	uint64_t cpu_ns; /* that it has run */
	uint64_t passed_ns;
	unsigned views; /* that it has: each may take its time before there is an answer */
};

/* Since when; zeroed at the beginning. */
struct patience {
	uint64_t busy_ns, blocked_ns; /* in one call into a reducer */
	uint64_t stopped_ns, disk_ns, quiet_ns, silent_ns;
};

enum patience_verdict {
	PATIENCE_WAIT,
	PATIENCE_BUSY,    /* the reducer has used its time */
	PATIENCE_BLOCKED, /* it does nothing */
	PATIENCE_STOPPED, /* by somebody else */
	PATIENCE_DISK,    /* what it reads does not come */
	PATIENCE_SILENT,  /* there is no answer, and no reducer that could be the reason */
};

/* `ret_ms`: the limit that was reached. */
enum patience_verdict patience_judge(struct patience *p, const struct patience_limits *limits,
				     const struct patience_look *look, unsigned *ret_ms);
