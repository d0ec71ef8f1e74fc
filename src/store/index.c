#include "store/index.h"

#include <endian.h>
#include <errno.h>
#include <xxhash.h>

#include "store/lines.h"
#include "store/record.h"
#include "store/unpack.h"
#include "store/zframe.h"

#define SEARCH_SIZE (64u << 10)

void index_init(struct index *x)
{
	*x = (struct index){.tail.ended = true};
}

void index_deinit(struct index *x)
{
	free(x->entries);
	index_init(x);
}

static int entry_add(struct index *x, const struct index_entry *e)
{
	if (x->n == x->cap) {
		size_t cap = max((size_t)16, 2 * x->cap);
		struct index_entry *entries = realloc(x->entries, cap * sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		x->entries = entries;
		x->cap = cap;
	}
	x->entries[x->n++] = *e;
	return 0;
}

/* 1: there is none. */
static int read_record(struct disk *disk, int fd, uint64_t at, struct record *ret)
{
	unsigned char bytes[RECORD_SIZE];
	int r = disk_pread_exact(disk, fd, bytes, sizeof(bytes), (off_t)at);

	return r < 0 ? r : !record_read(ret, bytes, at);
}

static struct index_entry entry_of(const struct record *rec)
{
	return (struct index_entry){
	    .at = rec->at - rec->frame_size,
	    .size = rec->frame_size,
	    .off = rec->pos.off - rec->frame_bytes,
	    .seq = rec->pos.seq - rec->frame_lines,
	    .bytes = rec->frame_bytes,
	    .lines = rec->frame_lines,
	    .hash = rec->pos.hash,
	    .last = true,
	};
}

static void set_damaged(struct index_tail *t, uint64_t at)
{
	if (!t->damaged)
		t->damaged_at = at;
	t->damaged = true;
}

/* History goes on at `pos`: where that is not where the entries end, something in between can't be read, or was counted
 * wrongly. Records are to be believed rather than what was counted. */
static int resume(struct index *x, const struct log_pos *pos)
{
	const struct log_pos *now = &x->tail.pos;

	if (pos->off == now->off && pos->seq == now->seq)
		return 0;
	set_damaged(&x->tail, x->tail.size);
	while (x->n && x->entries[x->n - 1].off + x->entries[x->n - 1].bytes > pos->off)
		x->n--;
	struct index_entry *last = x->n ? &x->entries[x->n - 1] : NULL;
	struct index_entry gap = {
	    .off = last ? last->off + last->bytes : 0,
	    .seq = last ? min(last->seq + last->lines, pos->seq) : 0,
	    .hash = pos->hash,
	    .last = true,
	};
	gap.bytes = pos->off - gap.off;
	gap.lines = pos->seq - gap.seq;
	int r = gap.bytes ? entry_add(x, &gap) : 0;
	x->tail.pos = *pos;
	return r;
}

/* The newest records, from the archive's end back to where they begin, or to what is known already. */
struct chain {
	struct index entries; /* newest first; its tail is that of the newest record */
	uint64_t low;         /* the oldest one's frame begins here */
	struct log_pos pos;   /* the place in history there */
};

static void chain_deinit(struct chain *c)
{
	index_deinit(&c->entries);
}

/* What the newest record says of all before it. 1: it is one of an unfinished rotation whose BEGIN is not there. */
static int tail_of(struct disk *disk, int fd, const struct record *rec, struct index_tail *ret)
{
	struct record begin;

	*ret = (struct index_tail){
	    .size = rec->at + RECORD_SIZE,
	    .pos = rec->pos,
	    .frames = rec->frames,
	    .ended = rec->kind == RECORD_END,
	    .end_record = rec->kind == RECORD_END,
	    .recorded = rec->kind == RECORD_FRAME,
	    .begin = rec->begin,
	};
	if (ret->ended)
		return 0;
	int r = read_record(disk, fd, rec->begin, &begin);
	if (r)
		return r;
	ret->begin_pos = begin.pos;
	ret->begin_frames = begin.frames;
	return begin.kind != RECORD_BEGIN;
}

static int chain_build(struct chain *c, struct disk *disk, int fd, uint64_t low, uint64_t size)
{
	struct record rec;

	c->low = size;
	while (c->low - low >= RECORD_SIZE) {
		bool newest = c->low == size;
		int r = read_record(disk, fd, c->low - RECORD_SIZE, &rec);
		if (r == 0 && newest)
			r = tail_of(disk, fd, &rec, &c->entries.tail);
		if (r < 0)
			return r;
		if (r > 0 || rec.at - low < rec.frame_size)
			break;
		if (!newest && (rec.pos.off != c->pos.off || rec.pos.seq != c->pos.seq))
			break;
		c->low = rec.at - rec.frame_size;
		c->pos = rec.pos;
		if (rec.kind != RECORD_FRAME)
			continue;
		struct index_entry e = entry_of(&rec);
		c->pos = (struct log_pos){.off = e.off, .seq = e.seq};
		r = entry_add(&c->entries, &e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Puts the chain behind the entries. */
static int chain_join(struct index *x, const struct chain *c)
{
	int r = resume(x, &c->pos);

	for (size_t i = c->entries.n; r == 0 && i-- > 0;)
		r = entry_add(x, &c->entries.entries[i]);
	struct index_tail before = x->tail;
	x->tail = c->entries.tail;
	x->tail.damaged = before.damaged;
	x->tail.damaged_at = before.damaged_at;
	return r;
}

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

/* A frame without a record is decompressed to see what it holds, and becomes an entry for each piece. */
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
		r = len ? entry_add(x, &e) : 0;
		if (r < 0)
			return r;
		*pos = (struct log_pos){e.off + e.bytes, e.seq + e.lines, line.hash};
		e.inner += len;
	}
	return 0;
}

/* 1: at `at` nothing whole begins, nor is it the end. */
static int leads_nowhere(struct disk *disk, int fd, uint64_t at, uint64_t end)
{
	struct zframe frame;

	return at == end ? 0 : zframe_read(&frame, disk, fd, at, end);
}

/* Has another program made this frame? Ours have a size and a checksum. That is not to be taken from one flipped bit: without the flag, the
 * checksum lies behind the frame and is nothing whole. */
static int made_elsewhere(struct disk *disk, int fd, uint64_t at, const struct zframe *frame, uint64_t end)
{
	if (frame->has_size || frame->has_checksum) {
		int r = leads_nowhere(disk, fd, at + frame->size, end);
		if (r)
			return r < 0 ? r : 0;
	}
	return !frame->has_size || !frame->has_checksum;
}

static int add_foreign(struct index *x, struct disk *disk, int fd, uint64_t at, const struct zframe *frame,
		       uint64_t end)
{
	bool possible = !frame->has_size || frame->content <= frame->content_max;
	struct log_pos before = x->tail.pos;
	size_t n = x->n;
	struct unpack *unpack;
	char *buffer auto_free = malloc(LIMIT_FRAME);

	if (!buffer)
		return -ENOMEM;
	int is_foreign = made_elsewhere(disk, fd, at, frame, end);
	int r = is_foreign < 0 ? is_foreign : unpack_new(&unpack, disk);
	if (r < 0)
		return r;
	r = possible ? add_pieces(x, unpack, buffer, fd, at, frame->size) : -EBADMSG;
	unpack_free(unpack);
	if (r != -EBADMSG) {
		/* Another program has added to the archive: it must not be cut back to before that. What can't be read shows
		 * nothing of the kind: a power failure may have made it of a frame of ours. */
		if (r == 0 && x->tail.pos.off > before.off)
			x->tail.ended |= is_foreign;
		return r;
	}
	/* As much of history as it says it has, or as came out of it, is lost; a byte at least, so that who reads meets it. */
	set_damaged(&x->tail, at);
	struct index_entry e = {
	    .off = before.off,
	    .seq = before.seq,
	    .bytes = x->tail.pos.off - before.off,
	    .lines = x->tail.pos.seq - before.seq,
	    .last = true,
	    .uncounted = true,
	};
	if (frame->has_size && possible)
		e.bytes = max(e.bytes, frame->content);
	e.bytes = max(e.bytes, (uint64_t)1);
	x->n = n;
	x->tail.pos = (struct log_pos){e.off + e.bytes, e.seq + e.lines, 0};
	return entry_add(x, &e);
}

static void begin_at(struct index_tail *t, uint64_t at)
{
	t->ended = false;
	t->begin = at;
	t->begin_pos = t->pos;
	t->begin_frames = t->frames;
}

/* The next record at or behind `from`, wherever it stands. 1: there is none. */
static int find_record(struct disk *disk, int fd, uint64_t from, uint64_t end, struct record *ret)
{
	const uint32_t magic = htole32(RECORD_MAGIC);
	char *buffer auto_free = malloc(SEARCH_SIZE);

	if (!buffer)
		return -ENOMEM;
	while (end - from >= RECORD_SIZE) {
		size_t len = (size_t)min(end - from, (uint64_t)SEARCH_SIZE);
		int r = disk_pread_exact(disk, fd, buffer, len, (off_t)from);
		if (r < 0)
			return r;
		for (const char *at = buffer, *found;
		     (found = memmem(at, len - (size_t)(at - buffer), &magic, sizeof(magic)));
		     at = found + 1) {
			uint64_t where = from + (uint64_t)(found - buffer);
			r = end - where >= RECORD_SIZE ? read_record(disk, fd, where, ret) : 1;
			if (r <= 0)
				return r;
		}
		from += len - (sizeof(magic) - 1);
	}
	return 1;
}

/* Takes in a record that was searched for: what lies before it and is not accounted for is a gap. */
static int take_found(struct index *x, const struct record *rec)
{
	struct index_tail *t = &x->tail;
	struct index_entry e = entry_of(rec);
	int r;

	set_damaged(t, t->size);
	if (rec->kind == RECORD_FRAME) {
		/* Its BEGIN was not found either. */
		if (t->ended && rec->begin >= t->size)
			begin_at(t, rec->begin);
		r = resume(x, &(struct log_pos){e.off, e.seq, 0});
		if (r == 0)
			r = entry_add(x, &e);
		t->pos = rec->pos;
	} else {
		r = resume(x, &rec->pos);
	}
	t->frames = rec->frames;
	if (rec->kind == RECORD_BEGIN)
		begin_at(t, rec->at);
	t->ended |= rec->kind == RECORD_END;
	t->end_record = rec->kind == RECORD_END;
	t->recorded = rec->kind == RECORD_FRAME;
	t->size = rec->at + RECORD_SIZE;
	return r;
}

/* What stands at the tail is damaged so that its size can't be known. But a record says what stands before it: with the next one the index
 * goes on. 1: there is none. */
static int add_beyond(struct index *x, struct disk *disk, int fd, uint64_t end)
{
	struct record rec;
	int r = find_record(disk, fd, x->tail.size, end, &rec);

	return r ? r : take_found(x, &rec);
}

/* A frame without a record behind it. Is it one of ours, with damage that makes it seem longer or shorter? 1: no. */
static int add_damaged(struct index *x, struct disk *disk, int fd, const struct zframe *frame, uint64_t end)
{
	uint64_t at = x->tail.size;
	struct record rec;
	int r = leads_nowhere(disk, fd, at + frame->size, end);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = find_record(disk, fd, at, end, &rec);
	if (r == 0 && (rec.kind != RECORD_FRAME || rec.at - rec.frame_size != at))
		r = 1;
	return r ? r : take_found(x, &rec);
}

static int add_frame(struct index *x, struct disk *disk, int fd, const struct zframe *frame, uint64_t end)
{
	uint64_t at = x->tail.size, behind = at + frame->size;
	struct record rec;
	int r = end - behind >= RECORD_SIZE ? read_record(disk, fd, behind, &rec) : 1;

	if (r < 0)
		return r;
	bool recorded = r == 0 && rec.kind == RECORD_FRAME && rec.frame_size == frame->size;
	if (!recorded) {
		r = add_damaged(x, disk, fd, frame, end);
		if (r <= 0)
			return r;
	}
	/* Its BEGIN is damaged so that it looks like another program's skippable frame. */
	if (recorded && x->tail.ended && rec.begin + RECORD_SIZE == at)
		begin_at(&x->tail, rec.begin);
	x->tail.frames++;
	x->tail.end_record = x->tail.recorded = false;
	if (recorded) {
		struct index_entry e = entry_of(&rec);
		r = resume(x, &(struct log_pos){e.off, e.seq, 0});
		if (r == 0)
			r = entry_add(x, &e);
		x->tail.pos = rec.pos;
		x->tail.recorded = true;
		x->tail.size = behind + RECORD_SIZE;
		return r;
	}
	r = add_foreign(x, disk, fd, at, frame, end);
	x->tail.size = behind;
	return r;
}

/* A BEGIN whose magic is damaged so that it looks like another program's? */
static int is_damaged_begin(const struct index_tail *t, struct disk *disk, int fd)
{
	const struct record begin = {
	    .kind = RECORD_BEGIN, .at = t->size, .pos = t->pos, .frames = t->frames, .begin = t->size};
	unsigned char bytes[RECORD_SIZE];
	int r = disk_pread_exact(disk, fd, bytes, sizeof(bytes), (off_t)t->size);

	return r < 0 ? r : record_is_nearly(&begin, bytes);
}

static int add_skippable(struct index *x, struct disk *disk, int fd, const struct zframe *frame, uint64_t end)
{
	bool ours = frame->magic == RECORD_MAGIC && frame->size == RECORD_SIZE;
	struct record rec;
	int r = ours ? read_record(disk, fd, x->tail.size, &rec) : 0;

	if (!ours && frame->size == RECORD_SIZE)
		r = is_damaged_begin(&x->tail, disk, fd);
	if (r < 0)
		return r;
	if (frame->magic == RECORD_MAGIC && !ours) {
		/* A record whose size is damaged, or another program's. */
		r = leads_nowhere(disk, fd, x->tail.size + frame->size, end);
		if (r == 1)
			r = add_beyond(x, disk, fd, end);
		else if (r == 0)
			r = 1;
		if (r <= 0)
			return r;
		r = 0;
	}
	x->tail.end_record = false;
	if (r > 0) {
		/* Damaged. Behind a frame's record only an END can have stood. Else this may be what a power failure has left
		 * of a BEGIN, and what follows may be undone. */
		if (!x->tail.ended && x->tail.recorded)
			x->tail.ended = true;
		else if (x->tail.ended)
			begin_at(&x->tail, x->tail.size);
	} else if (ours && rec.kind != RECORD_FRAME) {
		r = resume(x, &rec.pos);
		if (r < 0)
			return r;
		if (rec.kind == RECORD_BEGIN)
			begin_at(&x->tail, x->tail.size);
		else
			x->tail.ended = x->tail.end_record = true;
	}
	x->tail.recorded = false;
	x->tail.size += frame->size;
	return 0;
}

/* From the front, frame by frame, as far as they are whole, or records go on behind them. */
static int add_forward(struct index *x, struct disk *disk, int fd, uint64_t end)
{
	struct zframe frame;

	while (x->tail.size < end) {
		int r = zframe_read(&frame, disk, fd, x->tail.size, end);
		if (r == 1)
			r = add_beyond(x, disk, fd, end);
		else if (r == 0)
			r = frame.skippable ? add_skippable(x, disk, fd, &frame, end)
					    : add_frame(x, disk, fd, &frame, end);
		if (r)
			return r < 0 ? r : 0;
	}
	return 0;
}

static int extend(struct index *x, struct disk *disk, int fd, uint64_t size)
{
	struct chain chain cleanup(chain_deinit) = {0};

	index_init(&chain.entries);
	int r = chain_build(&chain, disk, fd, x->tail.size, size);
	if (r == 0)
		r = add_forward(x, disk, fd, chain.low);
	if (r < 0 || chain.low == size)
		return r;
	if (x->tail.size < chain.low)
		set_damaged(&x->tail, x->tail.size);
	return chain_join(x, &chain);
}

static int index_copy(struct index *ret, const struct index *x)
{
	*ret = (struct index){.n = x->n, .cap = x->n, .tail = x->tail};
	if (x->n == 0)
		return 0;
	ret->entries = malloc(x->n * sizeof(*x->entries));
	if (!ret->entries)
		return -ENOMEM;
	memcpy(ret->entries, x->entries, x->n * sizeof(*x->entries));
	return 0;
}

int index_extend(struct index *x, struct disk *disk, int fd, uint64_t size)
{
	struct index next; /* a copy, since records also correct what is there already */
	int r = index_copy(&next, x);

	if (r < 0)
		return r;
	r = extend(&next, disk, fd, size);
	if (r < 0) {
		index_deinit(&next);
		return r;
	}
	index_deinit(x);
	*x = next;
	return 0;
}

const struct index_entry *index_find_off(const struct index *x, uint64_t off)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct index_entry *e = &x->entries[mid];
		if (off < e->off)
			high = mid;
		else if (off - e->off < e->bytes)
			return e;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct index_entry *index_find_seq(const struct index *x, uint64_t seq)
{
	size_t low = 0, high = x->n;

	/* The first whose end is at or behind it. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (x->entries[mid].seq + x->entries[mid].lines < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low < x->n ? &x->entries[low] : NULL;
}

int index_probe(struct disk *disk, int fd, uint64_t size, struct index_tail *ret)
{
	struct index index cleanup(index_deinit) = {.tail.ended = true};
	struct record rec;

	if (size >= RECORD_SIZE) {
		int r = read_record(disk, fd, size - RECORD_SIZE, &rec);
		if (r == 0)
			r = tail_of(disk, fd, &rec, ret);
		if (r <= 0)
			return r;
	}
	int r = index_extend(&index, disk, fd, size);
	*ret = index.tail;
	return r;
}
