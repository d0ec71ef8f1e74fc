/* What /proc says of a process or a thread. Any thread.
 *
 * A file of /proc can be kept open and read again: it goes on speaking of the one process that it was opened
 * for, whatever gets that process's number later, and whoever gives up /proc may go on reading it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/defs.h"

struct process_stat {
	char state;     /* as proc_pid_stat(5) names them: 'R' it runs, 'T' it is stopped, … */
	unsigned flags; /* PF_… of the kernel */
	uint64_t ticks; /* of the processor's time: sysconf(_SC_CLK_TCK) a second */
	uint64_t bytes; /* of memory that it has */
};

/* Opens /proc/ID/FILE for reading; with id 0 the caller's own. A descriptor, or a negative errno. */
int must_check process_open(pid_t id, const char *file);

/* These take the open file of that name; a failed open, too. */
/* Of "stat". False: it has gone. */
bool process_stat(int stat, struct process_stat *ret);
/* Of "statm": bytes of memory that it has. 0: it has gone. */
uint64_t process_resident(int statm);

/* For how long that clock's process (clock_getcpuclockid()) or thread has run, or `otherwise`, once it has
 * ended. */
uint64_t process_cpu_ns(clockid_t clock, uint64_t otherwise);
