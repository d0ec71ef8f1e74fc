/* The times of lines, as far as the log has to know them: the greatest so far, which only ever grows,
 * however the clock that they were stamped by has jumped. A log knows no JSON: what a line's time is, it is
 * told by a function of its user's. Any thread. */
#pragma once

#include "base/defs.h"
#include "base/slice.h"

/* Has the line (no newline) a time that counts, of `least` or more? Then it is in *ret. Called for every
 * line, so a quick no is worth much. */
typedef bool line_time(struct slice line, uint64_t least, uint64_t *ret);

/* The greatest time where there is none yet: 0 means elsewhere (record.h) that it is not known. */
#define LATEST_NONE 1

/* Raises *latest to the greatest time in whole lines; how many those are. */
uint64_t latest_raise(line_time *time_of, struct slice lines, uint64_t *latest);

/* The first of whole lines whose time is `after` or more: where it begins, and how many lines stand before
 * it. False: none is. */
bool latest_find(line_time *time_of, struct slice lines, uint64_t after, size_t *ret_at, uint64_t *ret_lines);
