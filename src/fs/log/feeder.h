/* The feeder thread: looks at the second half of a large write while the fuse thread looks at the first. Such
 * a write's lines take longer to check than to append. */
#pragma once

#include <semaphore.h>

#include "base/mailbox.h"
#include "fs/log/writer.h"

struct feeder;

/* Embedded where it is looked at, or on the stack. */
struct feeder_half {
	struct mail mail; /* private, as the rest */
	struct slice data;
	size_t from;
	const struct writer_rules *rules;
	struct batch batch; /* after the end */
	int result;
	sem_t done;
};

int must_check feeder_start(struct feeder **ret);
/* Nothing has begun that has not ended. */
void feeder_stop(struct feeder *f); /* NULL is fine */

/* What of the data begins at `from`, where a line begins, is looked at while the caller does something else;
 * as writer_feed_second(). The batch is the caller's, whatever the result. One thread. */
void feeder_begin(struct feeder *f, struct feeder_half *h, struct slice data, size_t from,
		  const struct writer_rules *rules);
int must_check feeder_end(struct feeder *f, struct feeder_half *h, struct event *ev);

/* As writer_feed(), by halves. */
int must_check feeder_feed(struct feeder *f, const struct writer *w, struct slice data,
			   const struct writer_rules *rules, struct event *ev, struct batch *ret);
