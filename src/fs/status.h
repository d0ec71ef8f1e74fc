/* status.json: what the daemon knows about itself. */
#pragma once

#include "fs/mount.h"

/* Gives the version that is told (status_clock.h). */
uint64_t status_text(struct mount *m, struct buf *out);
