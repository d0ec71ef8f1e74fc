/* What an output of a rule says. */
#pragma once

#include "base/diag.h"
#include "model/host/jq/value.h"
#include "model/host/rule.h"

/* RULE_LETS_IN or RULE_REFUSES, with the reason. Consumes it. */
int outcome_of(struct val v, struct diag *why);
/* Of what the program has failed with: RULE_REFUSES. */
int outcome_of_error(struct val error, struct diag *why);
