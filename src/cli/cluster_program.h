/* The program that knows the engine of a shared log, which is not installed everywhere. */
#pragma once

#include <limits.h>

#include "base/diag.h"

/* Its path: of the environment (EVENTFOLD_CLUSTER), or of where this one was built, or where it is installed.
 */
void cluster_program(char ret[PATH_MAX]);
/* -errno, with a word for a person: it can't be run. */
int must_check cluster_program_check(const char *path, struct diag *diag);
