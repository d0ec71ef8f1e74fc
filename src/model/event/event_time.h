/* The time of an event in the log, for whoever looks for a place by time: its `ts` in seconds since 1970, but
 * one beyond LIMIT_TS, which old logs have in other units, does not count. */
#pragma once

#include "store/latest.h"

/* A line_time. Any thread. */
bool event_time(struct slice line, uint64_t least, uint64_t *ret);
