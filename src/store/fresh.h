/* An empty active file under a name of its own, locked, until it is renamed to take the place of the one
 * there is. Private to the event log; on the committer's thread, or at the opening. */
#pragma once

#include "store/eventlog_impl.h"

struct fresh {
	int fd, read_fd; /* read_fd: once more, for readers only */
	struct disk_file is;
};

int must_check fresh_open(struct eventlog *log, struct fresh *ret);
/* It was not wanted. */
void fresh_drop(struct eventlog *log, struct fresh *f);
