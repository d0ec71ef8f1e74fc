/* What of the lines that are queued is appended: decided on the commit thread. First, before they join a run,
 * about what has to have a new id (events/app@once); then, of a run, by the rules (rulings.h).
 *
 *     decider_begin(d)                  a run begins
 *     decider_judge(d, before, head, &v) about an item, with what goes into the log before it
 *     … the run is appended …
 *     verdict_counts(&v, stored)        what that comes to in what the item has brought
 *
 * An item is judged unit by unit. What is there already is dropped, and counts as written. The first unit
 * that is refused ends what is appended of the item, and so does one that has an id which an earlier unit of
 * the same item brings: whether that one will be there nobody knows yet, so its writer is told a short count,
 * and comes back with it. An item that has an id of the run before it is not judged until that is in the log,
 * or has failed. */
#pragma once

#include "fs/log/unit.h"
#include "model/ids/ids.h"

struct verdict {
	/* The item: */
	struct slice brought;
	const struct unit *units;
	size_t n_units;
	const struct event_layout *layouts; /* of each line; NULL: not known. Set where it is */

	/* What is appended of it, and what that is. */
	struct slice lines;
	const struct unit *kept;
	size_t n_kept;
	size_t stored; /* how much of it is in the log by now */

	size_t dealt;          /* so much of what it has brought counts, once that is in the log */
	int error;             /* of the unit that begins there; 0: there is none, or it is not judged yet */
	const char *why;       /* a constant */
	char text[160];        /* the same, with the place of the other event where there is one */
	char *said;            /* in place of the two: what a rule says, after its name. Its own */
	struct log_pos behind; /* of the units that are there, the furthest ends here */

	/* Where units were dropped. */
	struct buf compact;
	struct unit *list;
	size_t *begins; /* of what is kept, in what was brought; NULL: the same place */
};

void verdict_init(struct verdict *v, struct slice brought, const struct unit *units, size_t n_units);
void verdict_deinit(struct verdict *v);
/* As if nothing had been decided. */
void verdict_reset(struct verdict *v);
/* Of what is appended, the units from `n` on are not: with that error, since a rule says so (taken; NULL: no
 * memory for it); or (0) they have not been judged yet, and their writer is told a short count. */
void verdict_cut(struct verdict *v, size_t n, int error, char *said);
/* How many bytes of what was brought count where `stored` bytes of v->lines are in the log. */
size_t verdict_counts(const struct verdict *v, size_t stored);

struct decider;

int must_check decider_new(struct decider **ret, struct ids *ids);
void decider_free(struct decider *d);

void decider_begin(struct decider *d);
/* `before`: the run's lines up to now, `head`: where the log ends. 0: it is decided. 1: not before those are
 * in the log. -ENOMEM. */
int must_check decider_judge(struct decider *d, struct slice before, uint64_t head, struct verdict *v);
