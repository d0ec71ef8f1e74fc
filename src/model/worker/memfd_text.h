/* A text that is written straight into a memfd, so that it need not be copied there: a large state is written
 * at the speed of memory.
 *
 * One thread. Add to `buf`, then end it. The descriptor is the caller's; it must be a memfd of its own,
 * empty. */
#pragma once

#include "base/buf.h"

struct memfd_text {
	struct buf buf;
	int fd;
	int error; /* why it could not grow */
};

/* `expected`: bytes, a guess; a good one costs nothing later. Errors are those of memfd_text_end(). */
void memfd_text_begin(struct memfd_text *t, int fd, size_t expected);
/* The memfd has the text, and no more: 0, -EFBIG (beyond what this process may write), -ENOMEM or another
 * error. Where it has failed, its content is undefined. */
int must_check memfd_text_end(struct memfd_text *t);
