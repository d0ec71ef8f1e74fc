/* Who opened a file, told from those who have inherited its descriptor. A line may be made by several
 * programs, one after the other:
 *     ( printf '{"type":"f","data":"' && base64 -w0 f && printf '"}\n' ) >> events/app
 * The kernel tells of each that it closes the file, of an open only the thread's id, of a write and a
 * close also which table of descriptors it went through (fuse_file_info's lock_owner). Threads of a
 * process share that, a child has its own.
 *
 * On the fuse thread. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/defs.h"

struct opener {
	pid_t thread;   /* 0: of a pid namespace that can't be seen from here */
	bool known;     /* its table is */
	uint64_t table; /* of descriptors */
	/* one that has written, and is another's */
	bool has_other;
	uint64_t other;
};

/* A write through this table, by this thread. */
void opener_wrote(struct opener *o, pid_t thread, uint64_t table);
/* Is it the process that opened the file which closes it now? Of those in a pid namespace that can't be
 * seen, the first to write is taken for it. */
bool opener_is(const struct opener *o, pid_t thread, uint64_t table);
