/* Waits for a child that runs a reducer, as long as that gets on. One thread. */
#pragma once

#include <sys/types.h>

#include "base/diag.h"
#include "model/engine/fold.h"

/* Until the child has ended: its status, or a negative errno. A reducer that takes more than `timeout_ms` of
 * the processor's time for one event (model/link/patience.h; 0: never) is cut off, and why is in the diag.
 * `mark` is in memory that both have. */
int must_check watched_wait(pid_t pid, const struct fold_mark *mark, unsigned timeout_ms, struct diag *why);
/* " on event N at offset M", where it is in one. */
const char *watched_place(const struct fold_mark *mark, char text[80]);
