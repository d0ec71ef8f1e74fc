/* Before the server waits for whatever may be mounted: is what it was given a mount now? A word that is
 * misspelt, and the data instead of the mount, would else be told by 503s only. The main thread's, before
 * there are others. */
#pragma once

#include "base/defs.h"
#include "base/diag.h"

/* 0, or -ENODEV with what `mnt` is instead. */
int must_check first_look(const char *mnt, struct diag *diag);
