/* rejected.jsonl: the last LIMIT_REJECTED refused lines, each with its reason, as JSON lines. In memory,
 * from mount to unmount. Any thread. */
#pragma once

#include "base/buf.h"

#include <pthread.h>

#include "base/limits.h"

/* How often a line was refused for this reason. */
struct rejected_reason {
	char why[LIMIT_NAME + 64];
	uint64_t count;
};

struct rejected {
	pthread_mutex_t lock;
	char *lines[LIMIT_REJECTED]; /* a ring; owned */
	size_t lens[LIMIT_REJECTED];
	uint64_t count; /* since the mount; the next one's place is count % LIMIT_REJECTED */
	struct rejected_reason reasons[LIMIT_REASONS]; /* the last stands for all that came too late */
	size_t n_reasons;
};

struct rejection {
	uint64_t time;    /* seconds since 1970 */
	int error;        /* positive errno, as the writer saw it */
	const char *why;  /* what it is counted under */
	const char *text; /* the reason in full; NULL: that is it */
	uint64_t column;  /* 1 for the first byte */
	pid_t pid;        /* who wrote it; 0: unknown */
	size_t bytes;     /* its length */
	struct slice
	    line; /* its beginning: LIMIT_REJECTED_LINE bytes are kept, what is not UTF-8 is replaced */
};

void rejected_init(struct rejected *r);
void rejected_deinit(struct rejected *r);

/* Remembers one; with no memory for it, it only counts. */
void rejected_add(struct rejected *r, const struct rejection *rejection);
uint64_t rejected_count(struct rejected *r);
/* Why lines were refused since the mount, in the order in which they first were; gives how many. */
size_t rejected_reasons(struct rejected *r, struct rejected_reason ret[LIMIT_REASONS]);
/* The file's text. */
void rejected_text(struct rejected *r, struct buf *out);
