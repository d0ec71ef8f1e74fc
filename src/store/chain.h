/* The newest records of an archive, from its end back to where they begin, or to what is known already:
 * an index of them is made without looking at a frame. */
#pragma once

#include "store/index.h"
#include "store/record.h"

struct chain {
	struct index entries; /* newest first; its tail is that of the newest record */
	uint64_t low;         /* the oldest one's frame begins here */
	struct log_pos pos;   /* the place in history there */
};

void chain_init(struct chain *c);
void chain_deinit(struct chain *c);
int must_check chain_build(struct chain *c, struct disk *disk, int fd, uint64_t low, uint64_t size);

/* What the newest record says of all before it. 1: it is one of an unfinished rotation whose BEGIN is
 * not there. */
int must_check chain_tail(struct disk *disk, int fd, const struct record *rec, struct index_tail *ret);
