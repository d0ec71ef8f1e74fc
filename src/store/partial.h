/* Groups of which a crash has left a part only: groups.h has what is noted of them. Private to the opening
 * (recover.c). */
#pragma once

#include "store/eventlog_impl.h"

/* How much of the active file, which begins at `begin` of history, counts: all of it, or up to the first
 * group that is not whole. Up to `sure` of the file, where that is as long, nothing is looked at. Beside a
 * writer it is a moment between two of its groups. */
int must_check partial_find(struct eventlog *log, int fd, uint64_t begin, uint64_t sure, uint64_t *ret_end);

/* For a writer: moves what stands from there on to app.jsonl.torn. Not durable yet in the file. */
int must_check partial_cut(struct eventlog *log, uint64_t end);
