/* Walks the log in blocks of whole lines from one place on. Belongs to one thread; borrows its reader.
 *
 *     for (;;) {
 *             cursor_fill(c, limit, &block, &damage);  whole lines from c->pos on
 *             … for each line that was dealt with: cursor_advance(c, line)
 *     }
 */
#pragma once

#include "base/buf.h"
#include "store/reader.h"

struct cursor {
	struct reader *reader;
	struct log_pos pos; /* behind the last line that was dealt with; set it to begin elsewhere */
	struct buf block;   /* private */
	uint64_t block_off; /* private: where block begins */
};

void cursor_init(struct cursor *c, struct reader *reader, const struct log_pos *pos);
void cursor_deinit(struct cursor *c);

/* A piece of history that is damaged. */
struct log_damage {
	uint64_t off, len;
	uint64_t seq;     /* events before it */
	uint64_t events;  /* in it, */
	bool counted;     /* if that is known; else at least so many */
	const char *what; /* constant text */
};

/* Whole lines (each with its newline) from c->pos on, at most about 1 MiB or one longer line, none
 * beyond `limit`; empty at the limit. The block lives until the next call. 1: a damaged stretch begins
 * at c->pos; it is in *ret_damage, c->pos has been moved behind it (its lines counted where the index
 * knows their number), go on. A negative errno: it could not be read just now; c->pos is where it was,
 * and nothing is lost. */
int must_check cursor_fill(struct cursor *c, uint64_t limit, struct slice *ret_block,
			   struct log_damage *ret_damage);

/* Moves on by one line (its length without the newline). Only moves: the hash is set by cursor_hash(),
 * so that not each line of a long fold has to be hashed. */
static inline void cursor_advance(struct cursor *c, size_t line_len)
{
	c->pos.off += line_len + 1;
	c->pos.seq++;
}

/* Sets pos.hash to that of the last line before pos, which the caller still has. */
static inline void cursor_hash(struct cursor *c, struct slice last_line)
{
	c->pos.hash = log_hash(last_line);
}
