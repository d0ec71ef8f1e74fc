#include "fs/log/pieces.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

/* An event has so many bytes at least, with what parts it from the next; and in its stored form at most so
 * many more: {"type":"x"}, and ,"data":null,"ts":18446744073709551615. */
#define EVENT_LEAST 13
#define STORED_MORE 40

static void drop(struct batch *batch)
{
	if (!batch)
		return;
	batch_deinit(batch);
	free(batch);
}

void pieces_spare_deinit(struct pieces_spare *spare)
{
	drop(atomic_exchange(&spare->batch, NULL));
}

static void take_spare(struct pieces_spare *spare, struct batch *ret)
{
	struct batch *batch = atomic_exchange(&spare->batch, NULL);

	if (batch)
		*ret = *batch;
	free(batch);
}

static void give_spare(struct pieces_spare *spare, struct batch *batch)
{
	struct batch *kept = malloc(sizeof(*kept));

	batch_clear(batch);
	if (kept)
		*kept = *batch;
	else
		batch_deinit(batch);
	*batch = (struct batch){0};
	drop(atomic_exchange(&spare->batch, kept));
}

/* Most of it is never touched. */
static int make_room(struct batch *b, size_t bytes, size_t events)
{
	if (b->cap < events) {
		batch_deinit(b);
		b->units = reallocarray(NULL, events, sizeof(*b->units));
		b->layouts = reallocarray(NULL, events, sizeof(*b->layouts));
		if (!b->units || !b->layouts)
			return -ENOMEM;
		b->cap = b->cap_layouts = events;
	}
	return buf_reserve(&b->lines, bytes + events * STORED_MORE);
}

int pieces_new(struct pieces **ret, struct pieces_spare *spare, const struct writer *w, struct slice data,
	       bool half, struct batch *batch)
{
	size_t bytes = w->partial.len + data.len;

	if (data.len < 2 * (size_t)PIECE || bytes > 2 * LIMIT_WRITE)
		return 1;
	struct pieces *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	take_spare(spare, batch);
	p->batch = batch;
	if (make_room(batch, bytes, bytes / EVENT_LEAST + 1) < 0) {
		batch_deinit(batch);
		pieces_free(p, spare);
		return -ENOMEM;
	}
	batch->guard = w->guard;
	p->end = half ? writer_cut(data, data.len / 2) : data.len;
	*ret = p;
	return 0;
}

void pieces_free(struct pieces *p, struct pieces_spare *spare)
{
	if (!p)
		return;
	give_spare(spare, p->batch);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void add(struct pieces *p)
{
	struct piece_end end = {p->batch->lines.len, p->batch->n, p->batch->n_layouts};

	assert(p->n < PIECES_MAX);
	pthread_mutex_lock(&p->lock);
	p->ends[p->n++] = end;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

static bool is_in_place(const struct batch *b, const struct batch *before)
{
	return b->lines.data == before->lines.data && b->units == before->units &&
	       b->layouts == before->layouts;
}

int pieces_feed(struct pieces *p, const struct writer *w, struct slice data, const struct writer_rules *rules,
		struct event *ev)
{
	size_t len = p->n == 0 ? PIECE_FIRST : PIECE;
	size_t to = p->n + 1 < PIECES_MAX ? min(writer_cut(data, p->at + len), p->end) : p->end;
	const struct batch before = *p->batch;

	int r = writer_feed_on(w, data, p->at, to, rules, ev, p->batch);
	assert(is_in_place(p->batch, &before));
	if (r < 0)
		return r;
	p->at = to;
	add(p);
	return to == p->end || p->batch->bad.error;
}

int pieces_join(struct pieces *p, struct batch *second)
{
	const struct batch before = *p->batch;

	int r = batch_join(p->batch, second);
	assert(is_in_place(p->batch, &before));
	if (r == 0)
		add(p);
	return r;
}

void pieces_end(struct pieces *p)
{
	pthread_mutex_lock(&p->lock);
	p->whole = true;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

bool pieces_next(struct pieces *p, size_t i, struct piece *ret)
{
	struct piece_end begin = {0}, end = {0};

	pthread_mutex_lock(&p->lock);
	while (i >= p->n && !p->whole)
		pthread_cond_wait(&p->more, &p->lock);
	bool there = i < p->n;
	if (there)
		end = p->ends[i];
	if (there && i > 0)
		begin = p->ends[i - 1];
	pthread_mutex_unlock(&p->lock);
	*ret = (struct piece){
	    .lines = {p->batch->lines.data + begin.lines, end.lines - begin.lines},
	    .begin = begin.lines,
	    .units = p->batch->units + begin.units,
	    .n = end.units - begin.units,
	    .layouts = p->batch->layouts + begin.layouts,
	};
	return there;
}

bool piece_has_group(const struct piece *piece)
{
	for (size_t i = 0; i < piece->n; i++)
		if (piece->units[i].lines > 1)
			return true;
	return false;
}

bool pieces_are_whole(struct pieces *p)
{
	pthread_mutex_lock(&p->lock);
	bool whole = p->whole;
	pthread_mutex_unlock(&p->lock);
	return whole;
}

void pieces_wait(struct pieces *p)
{
	struct piece piece;

	(void)!pieces_next(p, PIECES_MAX, &piece);
}
