/* The SHA-256 of history up to one place. It goes on from the last place that the archive's records know (see
 * sha.h); for a place before that, or where they know none, all before it is read. Beside a writer; any
 * thread. */
#pragma once

#include "store/eventlog.h"
#include "store/sha.h"

/* `ret` can be gone on with. -ERANGE: the log ends before `off`; -EIO: history is damaged before it. */
int must_check history_sha(struct eventlog *log, struct disk *disk, uint64_t off, struct sha256_ctx *ret);
