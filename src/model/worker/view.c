#include <stdio.h>

#include "model/worker/impl.h"

uint64_t worker_view_version(const struct worker_view *v)
{
	return v->version_base + v->view.version;
}

struct message worker_view_message(const struct worker_view *v, enum message_type type)
{
	return (struct message){
	    .type = type,
	    .view = v->view.id,
	    .pos = v->view.pos,
	    .version = worker_view_version(v),
	};
}

struct slice worker_view_holes(const struct worker_view *v)
{
	return (struct slice){(const char *)&v->holes, sizeof(v->holes)};
}

bool worker_view_is_whole(const struct worker *w, const struct worker_view *v)
{
	uint64_t off = v->view.pos.off;

	return off == v->step ||
	       likely(off >= atomic_load_explicit(&w->orders->grouped, memory_order_relaxed));
}

void worker_view_publish(struct worker *w, struct worker_view *v)
{
	if (!worker_view_is_whole(w, v))
		return;
	if (v->holes_told != v->holes_turn) {
		struct message m = {.type = MSG_HOLES, .view = v->view.id, .size = v->holes_turn};
		v->holes_told = v->holes_turn;
		worker_send(w, &m, worker_view_holes(v), NULL, 0);
	}
	struct slot_value value = {
	    .view = v->view.id,
	    .pos = v->view.pos,
	    .version = worker_view_version(v),
	    .folded = v->view.pos.seq - v->begin.seq,
	    .rate = v->rate,
	    .holes = v->holes_turn,
	};

	slot_write(&w->shared->slots[v->slot], &value);
}

struct worker_view *worker_find(struct worker *w, uint32_t id)
{
	for (struct worker_view *v = w->views; v; v = v->next)
		if (v->view.id == id)
			return v;
	return NULL;
}

void worker_view_free(struct worker_view *v)
{
	worker_job_cancel(v);
	view_deinit(&v->view);
	free(v->wants);
	free(v);
}

void worker_remove(struct worker *w, uint32_t id)
{
	for (struct worker_view **at = &w->views; *at; at = &(*at)->next) {
		struct worker_view *v = *at;
		if (v->view.id != id)
			continue;
		*at = v->next;
		w->n_views--;
		worker_view_free(v);
		return;
	}
}

void worker_break(struct worker *w, struct worker_view *v, uint64_t seq, uint64_t off, const char *why)
{
	struct message m = worker_view_message(v, MSG_BROKEN);

	m.seq = seq;
	m.off = off;
	v->broken = true;
	worker_job_cancel(v);
	worker_send(w, &m, slice_of(why), NULL, 0);
}
