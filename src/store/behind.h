/* Is the active file what it was, before a place that somebody has written down? Private to the opening. */
#pragma once

#include "store/eventlog_impl.h"

static inline bool behind_is_event(struct eventlog *log, struct slice line)
{
	return log->options.is_event && log->options.is_event(log->options.arg, line);
}

/* Is what ends at `at` of the file still the line with the hash `before` (0: it is not known)? 1: it is, or
 * is damaged: what another program has moved there would be an event. */
int must_check behind_is_same(struct eventlog *log, int fd, uint64_t at, uint64_t before);
