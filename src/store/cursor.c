#include "store/cursor.h"

#include <errno.h>

#include "store/lines.h"

#define FILL_BYTES (1u << 20)
#define LINE_MAX_BYTES (256u << 20) /* no event is longer by far; more without a newline is damage */

void cursor_init(struct cursor *c, struct reader *reader, const struct log_pos *pos)
{
	*c = (struct cursor){.reader = reader, .pos = *pos, .block_off = pos->off};
}

void cursor_deinit(struct cursor *c)
{
	buf_deinit(&c->block);
}

/* Makes the block begin at pos.off. */
static void align_block(struct cursor *c)
{
	uint64_t used = c->pos.off - c->block_off;

	if (c->pos.off < c->block_off || used > c->block.len)
		buf_clear(&c->block);
	else if (used)
		buf_drop(&c->block, (size_t)used);
	c->block_off = c->pos.off;
	/* One long line must not keep its memory for good. */
	if (c->block.len == 0 && c->block.cap > 4 * (size_t)FILL_BYTES)
		buf_deinit(&c->block);
}

static int skip_damage(struct cursor *c, uint64_t skip, struct log_damage *ret)
{
	struct log_pos behind;

	int r = reader_behind(c->reader, skip, &behind);
	if (r < 0)
		return r;
	behind.seq = max(behind.seq, c->pos.seq);
	*ret = (struct log_damage){
	    .off = c->pos.off,
	    .len = skip - c->pos.off,
	    .seq = c->pos.seq,
	    .events = behind.seq - c->pos.seq,
	    .counted = r == 0,
	    .what = "this part of the archive is damaged",
	};
	c->pos = behind;
	buf_clear(&c->block);
	c->block_off = skip;
	return 1;
}

/* A line longer than any memory it deserves: walks to its end. */
static int skip_line(struct cursor *c, uint64_t limit, struct log_damage *ret)
{
	uint64_t at = c->block_off + c->block.len, skip;

	buf_clear(&c->block);
	int r = buf_reserve(&c->block, FILL_BYTES);
	if (r < 0)
		return r;
	while (at < limit) {
		size_t len;
		r = reader_read(c->reader, at, limit, c->block.data, FILL_BYTES, &len, &skip);
		if (r < 0)
			return r;
		if (r > 0)
			return skip_damage(c, skip, ret);
		const char *nl = memchr(c->block.data, '\n', len);
		at += nl ? (size_t)(nl - c->block.data) + 1 : len;
		if (nl)
			break;
	}
	*ret = (struct log_damage){
	    .off = c->pos.off,
	    .len = at - c->pos.off,
	    .seq = c->pos.seq,
	    .events = 1,
	    .counted = true,
	    .what = "a line without an end",
	};
	c->pos = (struct log_pos){.off = at, .seq = c->pos.seq + 1};
	c->block_off = at;
	return 1;
}

int cursor_fill(struct cursor *c, uint64_t limit, struct slice *ret_block, struct log_damage *ret_damage)
{
	size_t seen = 0; /* of the block, known to hold no newline */

	align_block(c);
	*ret_block = (struct slice){c->block.data, 0};
	for (;;) {
		uint64_t skip;
		size_t len =
		    (size_t)min((uint64_t)c->block.len, limit > c->block_off ? limit - c->block_off : 0);
		size_t whole = len > seen ? lines_whole(c->block.data + seen, len - seen) : 0;
		if (whole) {
			*ret_block = (struct slice){c->block.data, seen + whole};
			return 0;
		}
		seen = len;
		if (c->block_off + len >= limit)
			return 0;
		if (len > LINE_MAX_BYTES)
			return skip_line(c, limit, ret_damage);
		size_t room = len < FILL_BYTES ? FILL_BYTES - len : FILL_BYTES;
		int r = buf_reserve(&c->block, room);
		if (r < 0) {
			c->block.failed = false;
			return r;
		}
		r = reader_read(c->reader, c->block_off + len, limit, c->block.data + len, room, &len, &skip);
		if (r > 0)
			return skip_damage(c, skip, ret_damage);
		if (r < 0)
			return r;
		c->block.len += len;
	}
}
