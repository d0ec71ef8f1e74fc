#include <errno.h>

#include "store/lines.h"
#include "store/reader_impl.h"

#define MARK_BYTES (1u << 20) /* a mark about every so many bytes */

static int mark_add(struct reader *r, uint64_t off, uint64_t seq)
{
	if (r->n_marks && off < r->marks[r->n_marks - 1].off + MARK_BYTES)
		return 0;
	if (!list_room(r->marks, r->n_marks, r->cap_marks, 64))
		return -ENOMEM;
	r->marks[r->n_marks++] = (struct mark){off, seq};
	return 0;
}

/* The last place known that is behind neither off nor seq events. */
static int base_find(struct reader *r, uint64_t off, uint64_t seq, struct mark *ret)
{
	const struct log_pos *plain = reader_plain_begin(r);

	*ret = (struct mark){0, 0};
	if (plain->off > off || plain->seq > seq) {
		int err = frames_index(&r->frames);
		if (err < 0)
			return err;
		const struct index_entry *e = seq == UINT64_MAX ? index_find_off(&r->frames.index, off)
								: index_find_seq(&r->frames.index, seq);
		if (e)
			*ret = (struct mark){e->off, e->seq};
		return 0;
	}
	*ret = (struct mark){plain->off, plain->seq};
	for (size_t low = 0, high = r->n_marks; low < high;) {
		size_t mid = low + (high - low) / 2;
		const struct mark *m = &r->marks[mid];
		/* One behind just so many events may lie inside of the next one: their end is before it. */
		if (m->off <= off && m->seq < seq) {
			if (m->off > ret->off)
				*ret = *m;
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return 0;
}

/* Behind the n'th newline in the data, which has that many. */
static size_t nth_line_end(const char *data, size_t len, uint64_t n)
{
	for (size_t at = 0; at < len;) {
		const char *nl = memchr(data + at, '\n', len - at);
		if (!nl)
			break;
		at = (size_t)(nl - data) + 1;
		if (--n == 0)
			return at;
	}
	return len;
}

/* Walks from a known place to `off` or behind `seq` events, whichever comes first. 1: it met the limit
 * before. */
static int walk(struct reader *r, struct mark at, uint64_t off, uint64_t seq, uint64_t limit,
		struct mark *ret)
{
	char *data auto_free = malloc(LINES_CHUNK);
	uint64_t end = min(off, limit);

	if (!data)
		return -ENOMEM;
	while (at.off < end && at.seq < seq) {
		size_t len;
		int err = reader_read_whole(r, at.off, end, data, LINES_CHUNK, &len);
		if (err < 0)
			return err;
		uint64_t lines = lines_count(data, len);
		if (at.seq + lines >= seq) {
			at.off += nth_line_end(data, len, seq - at.seq);
			at.seq = seq;
			break;
		}
		at.off += len;
		at.seq += lines;
		/* Marks are line boundaries only by chance, which does not matter: newlines before them
		 * are what counts. */
		if (at.off >= reader_plain_begin(r)->off) {
			err = mark_add(r, at.off, at.seq);
			if (err < 0)
				return err;
		}
	}
	*ret = at;
	return at.off == off || at.seq == seq ? 0 : 1;
}

/* Where the file that holds the byte before `end` begins. No line goes on from one file into the next. */
static uint64_t begin_of_file(const struct reader *r, uint64_t end)
{
	const struct log_files *f = &r->files;

	if (end > f->active_begin.off)
		return f->active_begin.off;
	return f->sealed_fd >= 0 && end > f->sealed_begin.off ? f->sealed_begin.off : 0;
}

/* The hash of the line that ends at `end` (behind its newline). 1: no newline stands before `end`. */
static int hash_before(struct reader *r, uint64_t end, uint64_t *ret)
{
	char data[4096];
	size_t len;
	uint64_t floor = begin_of_file(r, end), begin = floor;
	XXH64_state_t state;

	for (uint64_t to = end; to > floor;) {
		uint64_t from = to - min(to - floor, (uint64_t)sizeof(data));
		/* A read ends with a frame, so it may take several. */
		for (uint64_t at = from; at < to; at += len) {
			int err = reader_read_whole(r, at, to, data + (at - from), (size_t)(to - at), &len);
			if (err < 0)
				return err;
		}
		size_t n = (size_t)(to - from);
		if (to == end && data[n - 1] != '\n')
			return 1;
		size_t whole = lines_whole(data, to == end ? n - 1 : n);
		to = begin = from + whole;
		if (whole)
			break;
	}
	XXH64_reset(&state, 0);
	for (uint64_t at = begin; at < end - 1; at += len) {
		int err = reader_read_whole(r, at, end - 1, data, sizeof(data), &len);
		if (err < 0)
			return err;
		XXH64_update(&state, data, len);
	}
	*ret = XXH64_digest(&state);
	return 0;
}

static int seek(struct reader *r, uint64_t off, uint64_t seq, uint64_t limit, struct log_pos *ret)
{
	struct mark at;

	if (off == 0 || seq == 0) {
		*ret = (struct log_pos){0};
		return 0;
	}
	int err = base_find(r, off, seq, &at);
	if (err == 0)
		err = walk(r, at, off, seq, limit, &at);
	if (err)
		return err;
	*ret = (struct log_pos){.off = at.off, .seq = at.seq};
	return hash_before(r, at.off, &ret->hash);
}

int reader_hash(struct reader *r, uint64_t off, uint64_t limit, uint64_t *ret)
{
	return off == 0 || off > limit ? 1 : hash_before(r, off, ret);
}

int reader_seek_seq(struct reader *r, uint64_t seq, uint64_t limit, struct log_pos *ret)
{
	return seek(r, UINT64_MAX, seq, limit, ret);
}

int reader_seek_off(struct reader *r, uint64_t off, uint64_t limit, struct log_pos *ret)
{
	return off > limit ? 1 : seek(r, off, UINT64_MAX, limit, ret);
}

/* Is the number behind the entry but what was seen of it, corrected by no record? */
static bool is_guess(const struct index_entry *e, uint64_t seq)
{
	return e->uncounted && e->seq + e->lines == seq;
}

int reader_behind(struct reader *r, uint64_t off, struct log_pos *ret)
{
	const struct log_pos *plain = reader_plain_begin(r);

	if (off == plain->off) {
		*ret = *plain;
		return r->frames.index.n &&
		       is_guess(&r->frames.index.entries[r->frames.index.n - 1], plain->seq);
	}
	const struct index_entry *e = index_find_off(&r->frames.index, off);
	if (!e || e->off != off) {
		*ret = (struct log_pos){.off = off};
		return 1;
	}
	const struct index_entry *before = e > r->frames.index.entries ? e - 1 : NULL;
	*ret = (struct log_pos){.off = off, .seq = e->seq, .hash = before ? before->hash : 0};
	return before && is_guess(before, e->seq);
}
