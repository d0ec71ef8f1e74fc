/* The feeder thread: looks at the second half of a large write while the fuse thread looks at the first. Such
 * a write's lines take longer to check than to append. */
#pragma once

#include "fs/log/writer.h"

struct feeder;

int must_check feeder_start(struct feeder **ret);
/* Nobody is within feeder_feed() any more. */
void feeder_stop(struct feeder *f); /* NULL is fine */

/* As writer_feed(). One thread. */
int must_check feeder_feed(struct feeder *f, const struct writer *w, struct slice data,
			   const struct writer_rules *rules, struct event *ev, struct batch *ret);
