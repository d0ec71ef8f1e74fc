/* Which bytes of which file are locked by whom, as fcntl(2) has it. What an owner locks takes the place of
 * what he held of these bytes; what adjoins and is of the same type becomes one. Nobody waits in here:
 * that is posix_lock.h's.
 *
 * Pure. Under a lock of the caller's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/defs.h"

struct range {
	struct range *next; /* private */
	const void *file;
	uint64_t owner;
	off_t first, last;  /* bytes, both of them included */
	short type;         /* F_RDLCK, F_WRLCK; F_UNLCK: what is to be let go of */
	pid_t pid;          /* to be told to who asks */
	const void *handle; /* the open file that it was locked through */
};

/* Of one owner and file no two overlap, nor adjoin if they are of the same type. */
struct ranges {
	struct range *first;
};

void ranges_deinit(struct ranges *r);

/* The lock of another owner's that keeps this one from being had; NULL: there is none. */
const struct range *ranges_conflict(const struct ranges *r, const struct range *want);

/* What a lock may need to be kept. */
#define RANGES_SPARE 2
struct ranges_spare {
	struct range *first;
};
int must_check ranges_spare_init(struct ranges_spare *s);
void ranges_spare_deinit(struct ranges_spare *s);

/* Locks, or lets go of, what has no conflict. */
void ranges_set(struct ranges *r, const struct range *want, struct ranges_spare *s);
/* Lets go of all that the owner has of the file; true: he had something. */
bool ranges_drop_owner(struct ranges *r, const void *file, uint64_t owner);
/* The same of all that was locked through this open file. */
bool ranges_drop_handle(struct ranges *r, const void *handle);
