/* A batch: what enters the shared log in one step, as the engine keeps it. One line of JSON, and then the
 * lines themselves as they are in the log:
 *
 *     {"v":1,"from":0,"before":SHA,"to":42,"after":SHA,"machine":ID,"boot":BOOT,"n":1,"time":1700000000}
 *     {"type":"seat_taken","ts":1700000000,…}
 *
 * Pure: any thread. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/diag.h"

#define BATCH_LINES (1u << 20) /* bytes of lines at most: as base64 the engine takes no more */
#define BATCH_SHA 64           /* digits */
#define BATCH_MACHINE 16       /* digits of a machine's id */
#define BATCH_BOOT 32          /* digits, drawn with each start of a daemon */

/* A place in the history, and what proves it. */
struct batch_head {
	uint64_t off;
	char sha[BATCH_SHA + 1];
};

struct batch_group {
	size_t at, len; /* bytes of the lines, which enter whole or not at all */
};

struct cluster_batch {
	struct batch_head before, after; /* before.off, after.off: "from", "to" */
	char machine[BATCH_MACHINE + 1], boot[BATCH_BOOT + 1];
	uint64_t n;    /* among those of its boot, from 1 on */
	uint64_t time; /* seconds since 1970, by its machine */
	struct batch_group *groups;
	size_t n_groups;
	struct slice lines; /* not its own */
};
void cluster_batch_deinit(struct cluster_batch *b);

void batch_write(const struct cluster_batch *b, struct buf *out);
/* The caller's to deinit; `lines` points into the text. -EBADMSG: it is none, or none that this version
 * understands; the diag says why. -ENOMEM. Whether the lines lead from `before` to `after` is not looked at.
 */
int must_check batch_read(struct slice text, struct cluster_batch *ret, struct diag *diag);
/* Is it the same proposal? */
bool batch_is_same(const struct cluster_batch *a, const struct cluster_batch *b);

/* OFFSET:SHA256 */
void batch_head_write(const struct batch_head *head, struct buf *out);
bool batch_head_read(struct slice text, struct batch_head *ret);
static inline bool batch_head_is(const struct batch_head *a, const struct batch_head *b)
{
	return a->off == b->off && memcmp(a->sha, b->sha, sizeof(a->sha)) == 0;
}
