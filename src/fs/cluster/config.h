/* What decides about an append on this machine, as a hash: the rules, the reducers of the views that these
 * look at, and the options that say what an event is. Machines that share a log append only where theirs is
 * the same.
 *
 * Only what is decided by counts: directories, dates and the names of other reducers do not. */
#pragma once

#include <stdbool.h>

struct mount;

/* Says it to the cluster. As the judge's `taken`: on the commit thread, within judge_turn(), so that what is
 * judged by these rules is proposed under their hash and no other. */
void config_announce(struct mount *m, bool known);
