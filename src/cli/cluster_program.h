/* The program that knows the engine of a shared log, which is not installed everywhere. */
#pragma once

#include "base/diag.h"

/* Its path; constant, or of the environment. */
const char *cluster_program(void);
/* -errno, with a word for a person: it can't be run. */
int must_check cluster_program_check(struct diag *diag);
