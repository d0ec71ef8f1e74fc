/* The second half of a rotation in one go, where there are no snapshots to retire between its steps. */
#pragma once

#include "store/eventlog.h"

static inline int archive_all(struct eventlog *log, struct diag *diag)
{
	uint64_t begin;
	int r = eventlog_archive_write(log, &begin, diag);

	return r == 0 ? eventlog_archive_finish(log, diag) : r;
}
