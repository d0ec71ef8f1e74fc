/* The flock of the log's one writer: getting it, and who has it, by /proc/locks. */
#pragma once

#include "store/disk.h"

/* Takes it. 1: another writer has it. Who only asks whether there is one (eventlog_is_held()) has it, too,
 * but for an instant: that is waited for. */
int must_check holder_lock(struct disk *disk, int fd);
/* Its process id; 0 where it can't be found (other container, no /proc). */
pid_t holder_find(int fd);
