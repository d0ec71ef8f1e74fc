/* Runs libjq so that its failed assertions come back as errors.
 *
 * libjq 1.6 takes some bad values for its own mistakes and ends the process, or writes beyond an array whose
 * index is too large. Which view and which event that was is known here, so it need not be found out from a
 * dead process. After such an end libjq's state is not to be touched again, not even to be freed. Only one
 * thread of a process may run libjq at a time (reducer.h). */
#pragma once

#include <jq.h>
#include <stdbool.h>

#include "base/diag.h"

/* As jq_compile_args(), jq_start(), jq_next() and jq_teardown(). False: an assertion has failed, which the
 * diag tells; *ret is not set, and the input is gone. */
bool guard_compile(jq_state *jq, const char *text, jv args, bool *ret, struct diag *diag);
bool guard_start(jq_state *jq, jv input, struct diag *diag);
bool guard_next(jq_state *jq, jv *ret, struct diag *diag);
bool guard_teardown(jq_state *jq);
