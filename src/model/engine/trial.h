/* Events before the rules: each is shown to all of them, and what is let in is folded into the views before
 * the next one is looked at. Plain code in one process and one thread; the judge's worker and `eventfold fold
 * --rules` use this one.
 *
 *     trial_begin(t, several)     a unit begins: a line, or several that enter whole or not at all
 *     trial_line(t, line)         each of its lines, until one is refused
 *     trial_end(t)                the unit is over, however
 *     …
 *     trial_settle(t)             places have their hashes now, of which only the last is ever looked at */
#pragma once

#include "model/engine/fold.h"
#include "model/host/rule.h"

struct trial_rule {
	uint32_t id;
	struct rule *rule; /* owned by whoever has made it */
	struct view *view; /* NULL: it looks at no state */
};

/* Made {0} but for the first five. */
struct trial {
	struct fold *fold;
	struct view **views; /* all that are folded; they stand at `pos` */
	size_t n_views;
	const struct trial_rule *rules; /* in the order in which they are asked */
	size_t n_rules;

	struct log_pos pos; /* behind what was let in; its hash lacks that of */
	struct slice last;  /* this line, if there is one. It lives until trial_settle() */
	struct log_pos before;
	struct slice last_before;
	bool saved;
	/* A view has failed on an event, and its state is not to be gone on with. */
	bool spoilt;
	/* Of the last refusal: the rule's or the view's id (0: neither's), EPERM or EIO, and why (empty: no
	 * reason is given). */
	uint32_t by;
	int error;
	struct diag why;
};

/* False: it can't begin. */
bool must_check trial_begin(struct trial *t, bool several);
/* False: it is refused, and so is its unit; what of that was let in already is taken back. */
bool must_check trial_line(struct trial *t, struct slice line,
			   const struct event_layout *layout /* as of fold_scan() */);
void trial_end(struct trial *t);
void trial_settle(struct trial *t);
