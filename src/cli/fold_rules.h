/* `eventfold fold --rules`: which of the events in files the rules would refuse. */
#pragma once

#include "cli/confined.h"

/* Gives the exit status. `reducers` (NULL: the directory of that name beside `rules`) has what the rules look
 * at. Of `c` files and memory are set. */
int fold_rules(struct confined *c, const char *rules, const char *reducers);
