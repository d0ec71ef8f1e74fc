/* What can be told about a jq program from its text, so that folding with it is cheap. The parts of the jq host only.
 *
 * None of it changes what a program means. Where the text leaves a doubt the answer is the careful one. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

/* How the state may be given to the program. In place costs the same however large the state is; but a program that
 * gives no output leaves the state as it was, so the old one must not be lost before that is out of the question. */
enum jq_hold {
	JQ_HOLD_ALWAYS, /* it may change the state and then drop it: the old one is kept to the end */
	JQ_HOLD_WRITE, /* once it changes the state there will be an output: the old one is kept until then */
	JQ_HOLD_NEVER, /* there will be an output */
};

/* The members of $event that it reads. */
enum {
	JQ_NEED_TYPE = 1,
	JQ_NEED_DATA = 2,
	JQ_NEED_TS = 4,
	JQ_NEED_ID = 8,
	JQ_NEED_ACTOR = 16,
	JQ_NEED_META = 32,
	JQ_NEED_ALL = 64, /* or the event itself */
};

struct jq_scan {
	enum jq_hold hold;
	unsigned need;
	bool updates;       /* has a general update, which may give none or several values: |= */
	bool env;           /* uses $ENV */
	bool empty;         /* nothing but white space and comments */
	const char *module; /* begins with this directive: "import", "include", "module"; or NULL */
};

/* `collected` is left empty, or gets the program in a form that costs less. The left side of `//`, and the like, waits
 * to be asked for more values, and while it waits it holds its input: the state, which then can't be changed in place.
 * Collected, as in `[. // {}][] | …`, it is asked for all its values at once. (A program that is not well-formed may get
 * one that is not either.) */
int must_check reducer_jq_scan(struct jq_scan *ret, struct slice program, struct buf *collected);
