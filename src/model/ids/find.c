#include <errno.h>

#include "model/ids/impl.h"

#define PIECE 4096

int ids_look_new(struct ids_look **ret, struct ids *ids)
{
	struct ids_look *look = calloc(1, sizeof(*look));

	if (!look)
		return -ENOMEM;
	live_reader_init(&look->live, ids->log, ids->disk);
	*ret = look;
	return 0;
}

void ids_look_free(struct ids_look *look)
{
	if (!look)
		return;
	cursor_deinit(&look->cursor);
	live_reader_deinit(&look->live);
	event_deinit(&look->event);
	buf_deinit(&look->line);
	free(look->entries);
	free(look);
}

/* The line that begins there, without its newline. 1: it has no end before the head. */
static int read_line(struct ids_look *look, uint64_t off, uint64_t head)
{
	struct buf *line = &look->line;
	size_t seen = 0, n;
	uint64_t skip;

	buf_clear(line);
	while (off + line->len < head) {
		/* Most lines are short, and those that are not are read in few pieces. */
		size_t room = max(line->len, (size_t)PIECE);
		int r = buf_reserve(line, room);
		if (r == 0)
			r = reader_read(look->live.reader, off + line->len, head, line->data + line->len,
					room, &n, &skip);
		if (r != 0)
			return r < 0 ? r : -EBADMSG;
		line->len += n;
		const char *nl = memchr(line->data + seen, '\n', line->len - seen);
		if (nl) {
			line->len = (size_t)(nl - line->data);
			return 0;
		}
		seen = line->len;
	}
	return 1;
}

int ids_look_at(struct ids_look *look, uint64_t off, uint64_t head, struct ids_found *ret)
{
	struct json_error why;

	int r = live_reader_refresh(&look->live);
	if (r == 0)
		r = read_line(look, off, head);
	if (r != 0)
		return r;
	struct slice line = buf_slice(&look->line);
	if (!event_scan(&look->event, line, &why))
		return look->event.no_memory ? -ENOMEM : 1;
	*ret = (struct ids_found){line, &look->event, off};
	return 0;
}

/* Where this print has been seen, and how far. */
struct hits {
	struct ids_places places;
	uint64_t covered, lacks;
};

static int find_in_tables(struct ids *ids, uint64_t print, struct hits *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ids->n_full; i++) {
		r = ids_table_find(ids->full[i], print, &ret->places);
		ret->lacks = min(ret->lacks, ids->full[i]->lacks);
	}
	if (r == 0 && ids->recent) {
		r = ids_table_find(ids->recent, print, &ret->places);
		ret->lacks = min(ret->lacks, ids->recent->lacks);
	}
	return r;
}

static int find_all(struct ids *ids, uint64_t print, struct hits *ret)
{
	struct ids_run *runs[IDS_SLOTS];
	size_t n = 0;
	int r = -EAGAIN;

	*ret = (struct hits){.lacks = IDS_LACKS_NONE};
	pthread_mutex_lock(&ids->lock);
	if (ids->ready) {
		r = find_in_tables(ids, print, ret);
		for (; n < ids->n_runs; n++) {
			runs[n] = ids_run_ref(ids->runs[n]);
			ret->lacks = min(ret->lacks, runs[n]->lacks);
		}
		ret->covered = ids->covered.off;
	}
	pthread_mutex_unlock(&ids->lock);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = ids_run_find(runs[i], print, &ret->places);
		ids_run_unref(runs[i]);
	}
	return r;
}

static int compare_offs(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* 0: it is no event with this id; the fingerprints meet by chance. */
static int show(struct ids *ids, struct ids_look *look, uint64_t print, struct slice id, uint64_t off,
		uint64_t covered, int (*seen)(void *arg, const struct ids_found *found), void *arg)
{
	struct ids_found found;

	int r = ids_look_at(look, off, covered, &found);
	if (r < 0)
		return r == -EBADMSG ? -EIO : r;
	struct eventfold_slice is = found.event->pub.id;
	if (r > 0 || !is.data || ids_print((struct slice){is.data, is.len}) != print) {
		ids_doubt(ids, "the index of ids was not that of this log");
		return -EAGAIN;
	}
	return slice_eq((struct slice){is.data, is.len}, id) ? seen(arg, &found) : 0;
}

int ids_find(struct ids *ids, struct ids_look *look, struct slice id,
	     int (*seen)(void *arg, const struct ids_found *found), void *arg)
{
	uint64_t print = ids_print(id);
	struct hits hits;

	int r = find_all(ids, print, &hits);
	if (r == -EBADMSG) {
		ids_doubt(ids, "the index of ids was damaged");
		r = -EAGAIN;
	}
	if (hits.places.n > 1)
		qsort(hits.places.offs, hits.places.n, sizeof(*hits.places.offs), compare_offs);
	for (size_t i = 0; r == 0 && i < hits.places.n; i++)
		r = show(ids, look, print, id, hits.places.offs[i], hits.covered, seen, arg);
	free(hits.places.offs);
	return r == 0 && hits.lacks != IDS_LACKS_NONE ? -EIO : r;
}
