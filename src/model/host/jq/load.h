/* A jq program from its text to what runs it: checked, parsed, and compiled as far as it is to be run here.
 * jq.c makes a reducer of that, rule.c a rule. */
#pragma once

#include "base/diag.h"
#include "model/host/jq/compile.h"
#include "model/host/jq/compiled.h"
#include "model/host/jq/parse.h"
#include "model/host/jq/plain.h"

struct loading {
	struct parse parse;
	struct prelude prelude;
	struct program program;
	const char *why; /* it is to be run by libjq as a whole; NULL: `program` is it */
	bool rule;
};

/* `rule`: that is what it is to be, not a reducer. Deinit it, whatever comes of it. */
int must_check loading_take(struct loading *l, struct slice text, bool rule, struct diag *diag);
void loading_deinit(struct loading *l);

/* One of the two runs it. */
struct jq_program {
	struct compiled *compiled;
	struct plain *plain;
};
/* `rule`: as above. *ret is set only where it can be run. */
int must_check jq_program_load(struct jq_program *ret, struct slice text, bool rule, struct diag *diag);
void jq_program_free(struct jq_program *p);
