/* Recognises a program that saves the log over itself: an editor, `sort -o`, `sed 1d app | sponge app`.
 * Each of these opens it with truncation and writes all of it, more or less changed; where everything is
 * an append, the history would be there twice.
 *
 * A handle that was opened so is watched during its first write. It saves the log if that write begins with
 *   - two or more lines, all of them among the log's first GUARD_LINES and in their order (some may be
 *     missing); what comes behind the last of those, or behind GUARD_ENOUGH of them, is not looked at; or
 *   - the log's own first line, with more behind it; or
 *   - the log's only line.
 * The log is what it was when the handle was opened: what it writes itself does not count. A first write
 * that ends inside a line goes on with the next one. A handle that saves the log writes nothing any more.
 *
 * Pure but for the hashes of the log's first lines, which one thread adds and any may read. */
#pragma once

#include <stdatomic.h>

#include "base/defs.h"
#include "base/slice.h"

#define GUARD_LINES 64  /* of the log, that are known */
#define GUARD_ENOUGH 32 /* of a write, that are looked at */

/* The log's first lines. Zeroed: of an empty log. A line that is in it (below n) never changes. */
struct guard_log {
	_Atomic size_t n;
	_Atomic bool ends; /* the log has lines that are not in it, nor will be */
	struct {
		size_t len;
		uint64_t hash;
	} lines[GUARD_LINES];
};

/* The log's next line, or none that is known (closed). One thread at a time. */
void guard_log_add(struct guard_log *log, struct slice line);
void guard_log_close(struct guard_log *log);
static inline bool guard_log_is_open(const struct guard_log *log)
{
	return !atomic_load_explicit(&log->ends, memory_order_relaxed);
}

enum guard_state {
	GUARD_OFF,    /* whatever it writes is an append */
	GUARD_WATCH,  /* opened with truncation; its first write is not over */
	GUARD_SAVING, /* saves the log, or has tried to cut it (vim): it writes nothing */
};

/* Of one handle. */
struct guard {
	enum guard_state state;
	size_t known; /* lines of the log, when it was opened */
	bool only;    /* that was all of them: one */
	/* The lines of the first write up to now. */
	size_t next;    /* of the log's lines, the first that may still come */
	size_t matched; /* how many were among the log's, in order; all of them unless `other` */
	bool begins;    /* the first was the log's first */
	bool other;     /* there was one that is not among them */
};

/* The handle has been opened with truncation. */
void guard_watch(struct guard *g, const struct guard_log *log);
/* The first write's next line, without its newline; outer white space does not count. False: no more need
 * to be shown. A last one that has no newline yet (not `whole`) may be the beginning of anything: for the
 * verdict only, on a copy of the guard. */
bool guard_line(struct guard *g, const struct guard_log *log, struct slice line, bool whole);
/* Is it saving the log? */
bool guard_is_saving(const struct guard *g);
/* The write was accepted. */
void guard_written(struct guard *g, bool ends_in_line);
