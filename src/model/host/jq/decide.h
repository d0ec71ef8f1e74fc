/* How a jq program is to be run, and whether at all: read off its tree. */
#pragma once

#include "base/buf.h"
#include "model/host/jq/code.h"
#include "model/host/jq/parse.h"

struct decision {
	/* The first name in it that a pure function has no use for: `now`, `input`, `$ENV` …; data is NULL
	 * where there is none. What the program itself defines is its own, and what nobody calls does not
	 * count. */
	struct slice impure;
	bool unknown; /* it has a name in it that is not known here: libjq is to be asked */
};

/* `known` says whether a function of this name and number of arguments is one of jq's own. */
void decide(const struct tree *t, bool (*known)(void *arg, struct slice name, unsigned arity), void *arg,
	    struct decision *ret);

/* Appends how the program is run, for a user: see eventfold fold --explain. `why` as program_compile() has
 * it. */
void decide_explain(const struct program *p, const char *why, struct buf *out);
