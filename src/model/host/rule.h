/* A rule: a jq program that is asked whether an event may be appended. `.` is the state of a view, or null
 * where there is none, $event the event as it would be stored; $seq and $off are its number and place. All
 * its outputs are looked at: null and true let the event in, a string refuses it with that reason, false
 * without one; anything else, and an error, refuse it as well.
 *
 * Of a view in jq that is run as the rule is (both compiled, or both by libjq) the state is shared. Any other
 * is written out as JSON and read, whenever it has changed: right, and slow where states are large.
 *
 * It changes nothing. One thread, that of the reducer. */
#pragma once

#include "model/host/reducer.h"

struct rule;

enum rule_outcome { RULE_LETS_IN, RULE_REFUSES };

int must_check rule_load(struct rule **ret, struct slice program, struct diag *diag);
/* RULE_LETS_IN, or RULE_REFUSES with the reason in `why` (empty: it gives none). An error: nothing could be
 * found out, and why. `view` (NULL: there is none) is the same one each time; its `version` is above 0, and
 * another one whenever its state is. */
int must_check rule_ask(struct rule *r, struct reducer *view, uint64_t version, struct event *ev,
			struct diag *why);
void rule_free(struct rule *r); /* NULL is fine */
