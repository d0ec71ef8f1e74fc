#include "store/foreign.h"

#include <errno.h>
#include <xxhash.h>

#include "store/lines.h"
#include "store/unpack.h"

/* Keeps the hash of the last line that has ended, while text comes in pieces. */
struct last_line {
	XXH64_state_t open; /* of the line that has not ended yet */
	uint64_t hash;
};

static void last_line_feed(struct last_line *l, const char *data, size_t len)
{
	size_t whole = lines_whole(data, len);

	if (whole) {
		size_t begin = lines_whole(data, whole - 1);
		if (begin)
			XXH64_reset(&l->open, 0);
		XXH64_update(&l->open, data + begin, whole - 1 - begin);
		l->hash = XXH64_digest(&l->open);
		XXH64_reset(&l->open, 0);
	}
	XXH64_update(&l->open, data + whole, len - whole);
}

static int add_pieces(struct index *x, struct unpack *unpack, char *buffer, int fd, uint64_t at,
		      uint64_t size)
{
	struct log_pos *pos = &x->tail.pos;
	struct last_line line = {.hash = pos->hash};
	struct index_entry e = {.at = at, .size = size};
	size_t len;

	XXH64_reset(&line.open, 0);
	while (!e.last) {
		e.off = pos->off;
		e.seq = pos->seq;
		int r = unpack_next(unpack, fd, at, size, e.inner, buffer, LIMIT_FRAME, &len, &e.last);
		if (r < 0)
			return r;
		last_line_feed(&line, buffer, len);
		e.bytes = len;
		e.lines = lines_count(buffer, len);
		e.hash = line.hash;
		r = len ? index_add(x, &e) : 0;
		if (r < 0)
			return r;
		*pos = (struct log_pos){e.off + e.bytes, e.seq + e.lines, line.hash};
		e.inner += len;
	}
	return 0;
}

int foreign_add(struct index *x, struct disk *disk, int fd, const struct archive_token *t)
{
	const struct zframe *frame = &t->frame;
	size_t n = x->n;
	struct unpack *unpack;
	char *buffer auto_free = malloc(LIMIT_FRAME);

	if (!buffer)
		return -ENOMEM;
	if (frame->has_size && frame->content > frame->content_max)
		return -EBADMSG;
	int r = unpack_new(&unpack, disk);
	if (r < 0)
		return r;
	r = add_pieces(x, unpack, buffer, fd, t->at, frame->size);
	unpack_free(unpack);
	if (r < 0)
		x->n = n;
	return r;
}
