/* What of the queued lines the rules let in (model/judge): the commit thread asks before it writes, a run of
 * items at a time, once it is known that the head is where they want it. While they can't
 * be asked yet, items stand aside, in the order of their coming, and those go on that bring no lines or whose
 * writers were told already that they are taken.
 *
 * All of it is the commit thread's. */
#pragma once

#include "fs/log/commit.h"

struct rulings;

/* Items stand aside for so long. `judge` is borrowed, and ended with it. */
int must_check rulings_new(struct rulings **ret, struct judge *judge, unsigned timeout_ms);
/* Nobody stands aside any more. */
void rulings_free(struct rulings *r); /* NULL is fine */

/* Takes note of changes: before a run of judged items, and every JUDGE_TICK_MS while it is restless. */
void rulings_turn(struct rulings *r);
bool rulings_are_restless(const struct rulings *r);
/* Is the item to stand aside, as of the last turn? */
bool rulings_hold(const struct rulings *r, const struct commit *item);
void rulings_put_aside(struct rulings *r, struct commit *item);
/* The next one that need not stand aside any longer, or (`all`) any that does; NULL: there is none.
 * *ret_error: 0, or what it is answered with. */
struct commit *rulings_next(struct rulings *r, bool all, int *ret_error);

/* Asks about the judged items from `first` up to `end`, whose let_in is all of their lines: 1 where that is
 * less now for some of them, and refused and why are set, or where *ret_end, behind those that it was asked
 * about, comes before `end`. That is `first` where they have to stand aside. */
int must_check rulings_hear(struct rulings *r, struct commit *first, struct commit *end,
			    struct commit **ret_end);
/* The same of an item that is still coming, as it comes: once it is whole, the answer to rulings_hear() about
 * it is at hand. What is let in is written ahead meanwhile (eventlog.h). False: it is as if nobody had asked,
 * but for what was written. */
bool must_check rulings_hear_pieces(struct rulings *r, struct commit *item, struct eventlog *log);
/* What was let in of that run is in the log; or not all of it. */
void rulings_appended(struct rulings *r, bool whole);
