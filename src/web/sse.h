/* Lines of the log as server-sent events, part by part as they are read, so that no line need be held as a
 * whole. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

struct sse {
	uint64_t off;   /* into the log: what comes next */
	bool is_inside; /* of a line */
};

/* The event of a line is its data and then its id, the offset behind it. A carriage return, white space in
 * JSON, would end a line here: it becomes a blank. A failure is the buffer's. */
void sse_add(struct sse *s, const char *data, size_t len, struct buf *out);
