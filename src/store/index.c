#include "store/index.h"

#include <errno.h>

#include "store/chain.h"
#include "store/foreign.h"
#include "store/archive_token.h"

void index_init(struct index *x)
{
	*x = (struct index){.tail.last = LAST_NONE};
}

void index_deinit(struct index *x)
{
	free(x->entries);
	index_init(x);
}

int index_add(struct index *x, const struct index_entry *e)
{
	if (!list_room(x->entries, x->n, x->cap, 16))
		return -ENOMEM;
	x->entries[x->n++] = *e;
	return 0;
}

struct index_entry index_entry_of(const struct record *rec)
{
	return (struct index_entry){
	    .at = rec->at - rec->frame_size,
	    .size = rec->frame_size,
	    .off = rec->pos.off - rec->frame_bytes,
	    .seq = rec->pos.seq - rec->frame_lines,
	    .bytes = rec->frame_bytes,
	    .lines = rec->frame_lines,
	    .hash = rec->pos.hash,
	    .latest = rec->latest,
	    .last = true,
	};
}

static void set_damaged(struct index_tail *t, uint64_t at)
{
	if (!t->damaged)
		t->damaged_at = at;
	t->damaged = true;
}

/* History goes on at `pos`: where that is not where the entries end, something in between can't be read,
 * or was counted wrongly. Records are to be believed rather than what was counted. */
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
	int r = gap.bytes ? index_add(x, &gap) : 0;
	x->tail.pos = *pos;
	return r;
}

/* Puts the chain behind the entries. */
static int chain_join(struct index *x, const struct chain *c)
{
	int r = resume(x, &c->pos);

	for (size_t i = c->entries.n; r == 0 && i-- > 0;)
		r = index_add(x, &c->entries.entries[i]);
	struct index_tail before = x->tail;
	x->tail = c->entries.tail;
	x->tail.damaged = before.damaged;
	x->tail.damaged_at = before.damaged_at;
	return r;
}

static void begin_at(struct index_tail *t, uint64_t at)
{
	t->last = LAST_BEGIN;
	t->begin = at;
	t->begin_pos = t->pos;
	t->begin_frames = t->frames;
	t->begin_latest = t->latest;
	t->begin_sha = t->sha;
}

/* The frame of a rotation, or one whose BEGIN is nowhere. */
static void frame_stands_last(struct index_tail *t)
{
	t->last = index_is_ended(t) ? LAST_NONE : LAST_FRAME;
}

/* Something that is no record stands last. */
static void other_stands_last(struct index_tail *t)
{
	t->last = index_is_ended(t) ? LAST_NONE : LAST_BEGIN;
}

static int take_record_of_frame(struct index *x, const struct record *rec)
{
	struct index_entry e = index_entry_of(rec);
	int r = resume(x, &(struct log_pos){e.off, e.seq, 0});

	if (r == 0)
		r = index_add(x, &e);
	x->tail.pos = rec->pos;
	x->tail.latest = rec->latest;
	x->tail.sha = rec->sha;
	return r;
}

static int take_frame(struct index *x, const struct archive_token *t)
{
	/* Its BEGIN is damaged so that it looks like another program's skippable frame. */
	if (index_is_ended(&x->tail) && t->rec.begin + record_size(&t->rec) == t->at)
		begin_at(&x->tail, t->rec.begin);
	x->tail.frames++;
	frame_stands_last(&x->tail);
	return take_record_of_frame(x, &t->rec);
}

/* As much of history as it says it has, or as came out of it, is lost; a byte at least, so that who
 * reads meets it. */
static int take_unreadable(struct index *x, const struct archive_token *t, const struct log_pos *before)
{
	const struct zframe *frame = &t->frame;
	struct index_entry e = {
	    .off = before->off,
	    .seq = before->seq,
	    .bytes = x->tail.pos.off - before->off,
	    .lines = x->tail.pos.seq - before->seq,
	    .last = true,
	    .uncounted = true,
	};

	set_damaged(&x->tail, t->at);
	if (frame->has_size && frame->content <= frame->content_max)
		e.bytes = max(e.bytes, frame->content);
	e.bytes = max(e.bytes, (uint64_t)1);
	x->tail.pos = (struct log_pos){e.off + e.bytes, e.seq + e.lines, 0};
	return index_add(x, &e);
}

static int take_foreign(struct index *x, struct disk *disk, int fd, const struct archive_token *t)
{
	struct log_pos before = x->tail.pos;
	int r = foreign_add(x, disk, fd, t);

	x->tail.frames++;
	x->tail.latest = 0;
	x->tail.sha = (struct record_sha){0};
	other_stands_last(&x->tail);
	if (r == -EBADMSG)
		return take_unreadable(x, t, &before);
	/* Another program has added to the archive: it must not be cut back to before that. What can't
	 * be read shows nothing of the kind: a power failure may have made it of a frame of ours. */
	if (r == 0 && t->made_elsewhere && x->tail.pos.off > before.off)
		x->tail.last = LAST_NONE;
	return r;
}

/* Behind a frame's record only an END can have stood. Else this may be what a power failure has left of
 * a BEGIN, and what follows may be undone. */
static void take_broken(struct index_tail *t, uint64_t at)
{
	if (t->last == LAST_FRAME)
		t->last = LAST_NONE;
	else if (index_is_ended(t))
		begin_at(t, at);
}

/* What lies before the record that was found, and is not accounted for, is a gap. */
static int take_hole(struct index *x, const struct record *rec)
{
	struct index_tail *t = &x->tail;
	int r;

	set_damaged(t, t->size);
	if (rec->kind == RECORD_FRAME) {
		/* Its BEGIN was not found either. */
		if (index_is_ended(t) && rec->begin >= t->size)
			begin_at(t, rec->begin);
		r = take_record_of_frame(x, rec);
		frame_stands_last(t);
	} else {
		r = resume(x, &rec->pos);
	}
	t->frames = rec->frames;
	t->latest = rec->latest;
	t->sha = rec->sha;
	if (rec->kind == RECORD_BEGIN)
		begin_at(t, rec->at);
	if (rec->kind == RECORD_END)
		t->last = LAST_END;
	return r;
}

static int take(struct index *x, struct disk *disk, int fd, const struct archive_token *t)
{
	int r = 0;

	switch (t->kind) {
	case TOKEN_FRAME:
		r = take_frame(x, t);
		break;
	case TOKEN_FOREIGN:
		r = take_foreign(x, disk, fd, t);
		break;
	case TOKEN_BEGIN:
		r = resume(x, &t->rec.pos);
		x->tail.latest = t->rec.latest;
		x->tail.sha = t->rec.sha;
		begin_at(&x->tail, t->at);
		break;
	case TOKEN_END:
		r = resume(x, &t->rec.pos);
		x->tail.latest = t->rec.latest;
		x->tail.sha = t->rec.sha;
		x->tail.last = LAST_END;
		break;
	case TOKEN_SKIP:
		other_stands_last(&x->tail);
		break;
	case TOKEN_BROKEN:
		take_broken(&x->tail, t->at);
		break;
	case TOKEN_HOLE:
		r = take_hole(x, &t->rec);
		break;
	}
	x->tail.size = t->end;
	return r;
}

/* From the front, token by token, as far as they are whole, or records go on behind them. */
static int add_forward(struct index *x, struct disk *disk, int fd, uint64_t end)
{
	while (x->tail.size < end) {
		const struct index_tail *tail = &x->tail;
		const struct record begin = {.kind = RECORD_BEGIN,
					     .at = tail->size,
					     .pos = tail->pos,
					     .frames = tail->frames,
					     .begin = tail->size,
					     .latest = tail->latest,
					     .sha = tail->sha};
		struct archive_token t;
		int r = archive_token_read(&t, disk, fd, tail->size, end, &begin);
		if (r)
			return r < 0 ? r : 0;
		r = take(x, disk, fd, &t);
		if (r < 0)
			return r;
	}
	return 0;
}

static int extend(struct index *x, struct disk *disk, int fd, uint64_t size)
{
	struct chain chain cleanup(chain_deinit);

	chain_init(&chain);
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
	struct index index cleanup(index_deinit) = {.tail.last = LAST_NONE};
	struct record rec;

	int r = record_load_before(disk, fd, 0, size, &rec);
	if (r == 0)
		r = chain_tail(disk, fd, &rec, ret);
	if (r <= 0)
		return r;
	r = index_extend(&index, disk, fd, size);
	*ret = index.tail;
	return r;
}
