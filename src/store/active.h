/* The active log when a writer opens it: what is in it, and its torn tail. */
#pragma once

#include "store/disk.h"
#include "store/log.h"

struct active_scan {
	uint64_t size;  /* of the file */
	uint64_t whole; /* of it, up to behind the last newline */
	uint64_t lines;
	uint64_t hash; /* of the last whole line; 0 where there is none */
};

/* What stands behind `end` is not looked at. */
int must_check active_scan(struct disk *disk, int fd, uint64_t end, struct active_scan *ret);

/* Appends the file's bytes from `from` to `to` to the file `name` (created if need be, for those for whom the
 * first one is) and makes them durable, with a newline behind them. */
int must_check active_keep_torn(struct disk *disk, int dirfd, int fd, uint64_t from, uint64_t to,
				const char *name);
/* The same with whole lines that were in the file; none: nothing is created. */
int must_check active_keep_lines(struct disk *disk, int dirfd, int fd, struct slice lines, const char *name);
