/* libjq's own side: a program compiled by it, and what it says about one that is none. */
#pragma once

#include <jq.h>

#include "base/diag.h"
#include "base/slice.h"

/* Compiles a text of our own. Neither the environment nor ~/.jq get into it. */
bool libjq_compile(jq_state *jq, const char *text);

/* Has libjq look at a program, with $event, $seq and $off defined: 0, or -EINVAL with its first message, with line and column where
 * there are any. */
int must_check libjq_check(struct slice program, struct diag *diag);

/* Its message for an error, a string or whatever a program gave to `error`; consumes it. Returns -EINVAL. */
int libjq_error(struct diag *diag, jv message);

/* Which libjq this is, as far as can be told from what it has. */
const char *libjq_version(void);
