/* Lines in bytes and in plain files. Any thread. */
#pragma once

#include "store/disk.h"
#include "store/log.h"

#define LINES_CHUNK (256u << 10) /* what is read at a time where a file is walked */

uint64_t lines_count(const char *data, size_t len);

/* Behind the last newline in data; 0 where there is none. */
size_t lines_whole(const char *data, size_t len);

/* Where the line begins that ends before the byte `end` of a file (at `end` stands its newline or the file's
 * end), looking no further back than `begin`. -EIO where the file is shorter. */
int must_check lines_find_begin(struct disk *disk, int fd, uint64_t begin, uint64_t end, uint64_t *ret);

/* Does a line begin there: at the file's begin, or behind a newline? 1: it does. */
int must_check lines_begin_at(struct disk *disk, int fd, uint64_t at);

/* xxh64 of a file's bytes from begin to end. -EIO where the file is shorter. */
int must_check lines_hash(struct disk *disk, int fd, uint64_t begin, uint64_t end, uint64_t *ret);
