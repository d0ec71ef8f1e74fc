#include "fs/log/pieces.h"

#include <assert.h>
#include <errno.h>

/* An event has so many bytes at least, with what parts it from the next; and in its stored form at most so
 * many more: {"type":"x"}, and ,"data":null,"ts":18446744073709551615. */
#define EVENT_LEAST 13
#define STORED_MORE 40

int pieces_new(struct pieces **ret, const struct writer *w, struct slice data, struct batch *batch)
{
	size_t bytes = w->partial.len + data.len, events = bytes / EVENT_LEAST + 1;

	if (data.len < 2 * (size_t)PIECE || bytes > 2 * LIMIT_WRITE)
		return 1;
	struct pieces *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->batch = batch;
	/* Most of it is never touched. */
	batch->guard = w->guard;
	batch->units = reallocarray(NULL, events, sizeof(*batch->units));
	batch->layouts = reallocarray(NULL, events, sizeof(*batch->layouts));
	if (!batch->units || !batch->layouts ||
	    buf_reserve(&batch->lines, bytes + events * STORED_MORE) < 0) {
		pieces_free(p);
		return -ENOMEM;
	}
	batch->cap = batch->cap_layouts = events;
	*ret = p;
	return 0;
}

void pieces_free(struct pieces *p)
{
	if (!p)
		return;
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void add(struct pieces *p)
{
	struct piece_end end = {p->batch->lines.len, p->batch->n, p->batch->n_layouts};

	pthread_mutex_lock(&p->lock);
	p->ends[p->n++] = end;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

int pieces_feed(struct pieces *p, const struct writer *w, struct slice data, const struct writer_rules *rules,
		struct event *ev)
{
	size_t to = p->n + 1 < PIECES_MAX ? writer_cut(data, p->at + PIECE) : data.len;

	const void *lines = p->batch->lines.data, *units = p->batch->units, *layouts = p->batch->layouts;

	int r = writer_feed_on(w, data, p->at, to, rules, ev, p->batch);
	assert(lines == p->batch->lines.data && units == p->batch->units && layouts == p->batch->layouts);
	if (r < 0)
		return r;
	p->at = to;
	add(p);
	return to == data.len || p->batch->bad.error;
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

void pieces_wait(struct pieces *p)
{
	struct piece piece;

	(void)!pieces_next(p, PIECES_MAX, &piece);
}
