/* Which views of a worker fold together, and which go first. Pure, tested as a table.
 *
 * Views at one place that take about as long for an event fold in one pass, for which that is parsed once.
 * Who takes far longer has another pass, so that nobody is held to its pace. The quickest that have something
 * to do go first, and those of them that are nearest to the head; all others have a share of the time
 * (`far`).
 *
 * How long a view takes is measured where it folds alone. Where a pass takes far longer than its views
 * should, each of them folds alone once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view, as far as that goes. */
struct pacer {
	uint64_t off;  /* where it stands */
	bool rests;    /* it folds nothing now */
	uint64_t cost; /* ns a KiB; 0: not measured */
	bool unsure;   /* and is to be */
	bool chosen;   /* is in the pass */
};

struct pace_pass {
	uint64_t off, limit; /* from there, as far as this at most */
	bool far;            /* not of those who go first */
	bool briefly;        /* a part of that will do */
};

/* The next pass; false: all are at the head. `far_due`: those who do not go first have their turn. */
bool pace_choose(struct pacer *const *all, size_t n, uint64_t head, bool far_due, struct pace_pass *ret);
/* The chosen ones have folded so many bytes, which took `ns` of the processor's time. */
void pace_note(struct pacer *const *all, size_t n, uint64_t bytes, uint64_t ns);
