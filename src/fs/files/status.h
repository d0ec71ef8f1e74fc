/* status.json: what the daemon knows about itself. */
#pragma once

#include "fs/mount.h"

/* Gives the version that is told, and since when (status_clock.h). */
uint64_t status_text(struct mount *m, struct buf *out, struct timespec *ret_changed);
