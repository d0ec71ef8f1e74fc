#include <errno.h>

#include "store/cursor.h"
#include "store/record_time.h"
#include "store/reader_impl.h"

#define MARK_BYTES (1u << 20)  /* a mark about every so many bytes */
#define ONCE_BYTES (16u << 20) /* are walked before others get their turn */

/* How many lie before `off`. */
static size_t marks_before(const struct reader *r, uint64_t off)
{
	size_t low = 0, high = r->n_times;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (r->times[mid].off < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int mark_add(struct reader *r, const struct time_mark *mark)
{
	size_t at = marks_before(r, mark->off);

	if (at > 0 && mark->off < r->times[at - 1].off + MARK_BYTES)
		return 0;
	if (at < r->n_times && r->times[at].off < mark->off + MARK_BYTES)
		return 0;
	if (!list_room(r->times, r->n_times, r->cap_times, 64))
		return -ENOMEM;
	memmove(r->times + at + 1, r->times + at, (r->n_times - at) * sizeof(*r->times));
	r->times[at] = *mark;
	r->n_times++;
	return 0;
}

/* The last place known, at `off` or before it, that only times before `after` have come before. The greatest
 * time so far only grows, so marks are in its order as well. */
static struct time_mark base_find(const struct reader *r, uint64_t after, uint64_t off)
{
	struct time_mark base = {.latest = LATEST_NONE};
	const struct index *x = &r->frames.index;
	size_t low = 0, high = off == UINT64_MAX ? r->n_times : marks_before(r, off + 1);

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (r->times[mid].latest < after)
			low = mid + 1;
		else
			high = mid;
	}
	if (low > 0)
		base = r->times[low - 1];
	for (size_t i = x->n; i-- > 0;) {
		const struct index_entry *e = &x->entries[i];
		uint64_t end = e->off + e->bytes;
		if (end <= base.off)
			break;
		if (end <= off && e->latest && e->latest < after)
			return (struct time_mark){end, e->seq + e->lines, e->latest};
	}
	return base;
}

/* Walks from a place on to the first line whose time is `after` or more, or to `limit`. 1: far enough for
 * once; the marks know how far. */
static int walk(struct reader *r, line_time *time_of, struct time_mark *at, uint64_t after, uint64_t limit)
{
	const struct log_pos begin = {.off = at->off, .seq = at->seq};
	struct cursor c cleanup(cursor_deinit);
	bool counted = true;

	cursor_init(&c, r, &begin);
	for (;;) {
		struct log_damage damage;
		struct slice block;
		size_t found;
		uint64_t lines;
		int err = cursor_fill(&c, limit, &block, &damage);
		if (err < 0)
			return err;
		at->off = c.pos.off;
		at->seq = c.pos.seq;
		if (err > 0) {
			counted = counted && damage.counted;
			continue;
		}
		if (block.len == 0)
			return 0;
		uint64_t n = latest_raise(time_of, block, &at->latest);
		if (at->latest >= after && latest_find(time_of, block, after, &found, &lines)) {
			at->off += found;
			at->seq += lines;
			return 0;
		}
		at->off += block.len;
		at->seq += n;
		c.pos = (struct log_pos){.off = at->off, .seq = at->seq};
		/* A number that is not certain is corrected by what stands behind the damage only. */
		err = counted ? mark_add(r, at) : 0;
		if (err < 0)
			return err;
		if (counted && at->off - begin.off >= ONCE_BYTES)
			return 1;
	}
}

/* The first such line in the frame of a record. 1: there is none. */
static int seek_in_frame(struct reader *r, line_time *time_of, uint64_t after, const struct record *rec,
			 struct time_mark *ret)
{
	const struct index_entry e = index_entry_of(rec);
	char *data auto_free = NULL;
	uint64_t lines;
	size_t at;

	int err = frames_load(&r->frames, &e, &data);
	if (err < 0)
		return err == -EBADMSG ? 1 : err;
	if (!latest_find(time_of, (struct slice){data, (size_t)e.bytes}, after, &at, &lines))
		return 1;
	*ret = (struct time_mark){.off = e.off + at, .seq = e.seq + lines};
	return 0;
}

/* As long as there is no index. 1: there has to be one; else *ret is the place, or, with its `latest`, one to
 * walk on from. */
static int seek_by_records(struct reader *r, line_time *time_of, uint64_t after, struct time_mark *ret)
{
	struct frames *f = &r->frames;
	struct record rec;

	if (f->fd < 0 || f->indexed >= f->size)
		return 1;
	int found = record_time_find(r->disk, f->fd, f->size, after, &rec);
	if (found == RECORD_TIME_FRAME)
		return seek_in_frame(r, time_of, after, &rec, ret);
	if (found != RECORD_TIME_BEHIND || rec.pos.off != reader_plain_begin(r)->off)
		return found < 0 ? found : 1;
	*ret = base_find(r, after, UINT64_MAX);
	if (ret->off < rec.pos.off)
		*ret = (struct time_mark){rec.pos.off, rec.pos.seq, rec.latest};
	return 0;
}

static int seek(struct reader *r, line_time *time_of, uint64_t after, uint64_t limit, struct time_mark *ret)
{
	int err = limit < reader_plain_begin(r)->off ? 1 : seek_by_records(r, time_of, after, ret);

	if (err == 0 && !ret->latest)
		return 0;
	if (err > 0) {
		err = frames_index(&r->frames);
		*ret = base_find(r, after, limit);
	}
	return err < 0 ? err : walk(r, time_of, ret, after, limit);
}

int reader_seek_time(struct reader *r, line_time *time_of, uint64_t after, uint64_t limit,
		     struct log_pos *ret)
{
	struct time_mark mark;
	int err = seek(r, time_of, after, limit, &mark);

	*ret = (struct log_pos){.off = mark.off, .seq = mark.seq};
	return err;
}

int reader_latest(struct reader *r, line_time *time_of, uint64_t off, uint64_t *ret)
{
	struct time_mark mark;
	int err;

	do
		err = seek(r, time_of, UINT64_MAX, off, &mark);
	while (err > 0);
	*ret = mark.latest;
	return err;
}
