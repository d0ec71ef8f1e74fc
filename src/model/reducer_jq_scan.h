/* Whether a jq program is one of the common forms, for which the host has a way that costs the same however large the state
 * is. The parts of the jq host only.
 *
 * A form is recognised whole or not at all: each token must have a place in it. What is not recognised is run as libjq runs
 * it, on a copy of the state. So a mistake on this side costs time and never a value. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

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
	unsigned need;
	bool
	    in_place; /* it is a form that may change the state in place: there is never an end without output after a change */
	bool
	    sure; /* … and there is an output in any case, made from the state itself: nobody else need hold that */
	bool updates;       /* has a general update, which may give none or several values: |= */
	bool env;           /* uses $ENV, and binds no variable of that name */
	bool catches;       /* may look at the text of an error */
	bool paths;         /* may still be at paths when it has given its first output */
	bool infinite;      /* may make infinity or NaN, other than by calculating */
	bool empty;         /* nothing but white space and comments */
	const char *module; /* begins with this directive: "import", "include", "module"; or NULL */
};

/* `form` gets the program as it may be run in place, if it may. The left side of `//`, and the like, waits to be asked for more
 * values, and while it waits it holds its input: the state, which then can't be changed in place. So it is collected, as in
 * `[. // {}][] | …`: there is one value at most. (A program that is not well-formed may get a form that is not either.) */
int must_check reducer_jq_scan(struct jq_scan *ret, struct slice program, struct buf *form);
