/* libjq's own side: a program compiled by it, and what it says about one that is none.
 *
 * What is assumed of it. Which one it is, is told by what it has (libjq_version()): when this is configured
 * (meson.build), and once more when the program starts, since the library is shared. each        failed
 * assertions end in __assert_fail() (guard.h); ~/.jq and $ENV are found by `environ`, while it compiles 1.6
 * does to the byte what compiled programs do (docs/JQ.md); `_input` gives a program the next input, which is
 * its event later       `input` does; numbers keep their digits (jv_number_has_literal()); programs mean
 * something else: nothing is compiled before 1.6  is not supported, later than 1.7 has not been tried: both
 * are told when this is configured */
#pragma once

#include <jq.h>

#include "base/diag.h"
#include "base/slice.h"

/* Compiles a text of our own. Neither the environment nor ~/.jq get into it. */
bool libjq_compile(jq_state *jq, const char *text);

/* Has libjq look at a program, with $event, $seq and $off defined: 0, or -EINVAL with its first message, with
 * line and column where there are any. */
int must_check libjq_check(struct slice program, struct diag *diag);

/* Its message for an error, a string or whatever a program gave to `error`; consumes it. Returns -EINVAL. */
int libjq_error(struct diag *diag, jv message);

/* Which libjq this is, as far as can be told from what it has. */
const char *libjq_version(void);
/* Later than 1.6, which alone is compiled. */
bool libjq_is_later(void);
