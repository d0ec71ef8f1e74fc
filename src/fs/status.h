/* status.json: what the daemon knows about itself. */
#pragma once

#include "fs/mount.h"

void status_text(struct mount *m, struct buf *out);
