/* What status.json says of a shared log. */
#pragma once

#include "fs/mount.h"

/* An object; null where the log is this machine's alone. */
void status_cluster(struct mount *m, struct buf *out);
