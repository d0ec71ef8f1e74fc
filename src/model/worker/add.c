#include <errno.h>
#include <stdio.h>

#include "base/again.h"
#include "model/engine/snapshot.h"
#include "model/worker/impl.h"

/* A view to come. */
struct addition {
	const struct message *m;
	int reducer_fd, snapshot_fd; /* borrowed; the second -1: there is none */
	char name[LIMIT_NAME + 1];
	struct buf text; /* of the snapshot's file */
	struct snapshot snapshot;
	bool restores;
};

void worker_mark(struct worker *w, enum fold_phase phase, uint32_t view)
{
	struct fold_mark *mark = &w->shared->mark;

	atomic_fetch_add_explicit(&w->shared->calls, 1, memory_order_relaxed);
	atomic_store_explicit(&mark->view, view, memory_order_relaxed);
	atomic_store_explicit(&mark->phase, phase, memory_order_relaxed);
}

void worker_mark_disk(struct worker *w, bool reads)
{
	struct fold_mark *mark = &w->shared->mark;

	atomic_fetch_add_explicit(&w->shared->calls, 1, memory_order_relaxed);
	atomic_store_explicit(&mark->phase, reads ? FOLD_DISK : FOLD_IDLE, memory_order_relaxed);
}

static int load(struct worker *w, struct worker_view *v, const struct addition *a, struct diag *diag)
{
	worker_mark(w, FOLD_LOADING, v->view.id);
	int r = reducer_load(&v->view.reducer, a->m->kind, a->reducer_fd, diag);
	worker_mark(w, FOLD_IDLE, v->view.id);
	return r;
}

/* Can it be read now, and is it an event? */
static bool is_filled(struct worker *w, const struct hole *hole)
{
	struct log_pos pos = {.off = hole->off, .seq = hole->seq};
	struct log_damage damage;
	struct json_error error;
	struct event ev = {0};
	struct cursor c;
	struct slice block;

	cursor_init(&c, w->reader, &pos);
	uint64_t end = min(hole->end, (uint64_t)atomic_load(&w->orders->head));
	int r = 1;
	while (r == 1 && c.pos.off < end) /* piece by piece: the first may still be damaged */
		r = cursor_fill(&c, end, &block, &damage);
	bool filled = r <= 0; /* what can't be read just now is looked at when it is folded */
	if (r == 0 && block.len > 0) {
		size_t len = (size_t)((const char *)memchr(block.data, '\n', block.len) - block.data);
		filled = event_scan(&ev, (struct slice){block.data, len}, &error);
	}
	event_deinit(&ev);
	cursor_deinit(&c);
	return filled;
}

static bool is_mended(struct worker *w, const struct holes *holes)
{
	for (size_t i = 0; i < holes_listed(holes); i++)
		if (is_filled(w, &holes->hole[i]))
			return true;
	return false;
}

/* 1: it can't be used, with the reason (none where that is nothing to talk about). An error: not now. */
static int open_snapshot(struct worker *w, struct addition *a, struct diag *why)
{
	int r = disk_slurp(&disk_posix, a->snapshot_fd, DISK_ANY_SIZE, &a->text);

	if (error_passes(r))
		return diag_set(why, r, "its snapshot can't be read: %s", strerror(-r));
	if (r != 0)
		return diag_set(why, 1, "it can't be read: %s", strerror(-r));
	bool is_trusted = a->m->flags & MSG_TRUSTED;
	r = (is_trusted ? snapshot_parse_trusted : snapshot_parse)(buf_slice(&a->text), &a->snapshot, why);
	if (r == 0 && a->snapshot.reducer != a->m->identity)
		return 1; /* the reducer has been changed */
	/* A state is made of all that can be read. */
	if (r == 0 && !is_trusted && is_mended(w, &a->snapshot.holes))
		r = diag_set(why, 1, "a part of the log that was damaged when it was made can be read now");
	if (r == 0 && !is_trusted)
		r = snapshot_check(&a->snapshot, w->reader, atomic_load(&w->orders->head), why);
	if (r < 0)
		diag_set(why, r, "it can't be checked: %s", strerror(-r));
	return error_passes(r) ? r : r != 0;
}

/* The state from the snapshot; where the reducer does not understand it, a fresh one. */
static int read_state(struct worker *w, struct worker_view *v, struct addition *a, struct diag *why)
{
	struct slice state = a->snapshot.state;

	worker_mark(w, FOLD_READING, v->view.id);
	int r = v->view.reducer->class->read(v->view.reducer, state, why);
	worker_mark(w, FOLD_IDLE, v->view.id);
	v->size = state.len;
	if (r == 0)
		return 0;
	worker_report(w, "the snapshot of %s is not used: %s", a->name, why->text);
	why->text[0] = '\0';
	a->restores = false;
	reducer_free(take_ptr(v->view.reducer));
	return load(w, v, a, why);
}

static bool fits(const struct worker *w, const struct addition *a)
{
	uint64_t head = atomic_load(&w->orders->head), off = a->restores ? a->snapshot.pos.off : 0;

	if (!a->restores && (a->m->flags & MSG_MUST_RESTORE))
		return false;
	return a->m->size == 0 || head <= off || head - off <= a->m->size;
}

/* From the snapshot if there is one and it holds, else from the start. 1: it is not to begin so far behind.
 */
static int begin(struct worker *w, struct worker_view *v, struct addition *a, struct diag *why)
{
	int r;

	if (a->snapshot_fd >= 0) {
		worker_mark_disk(w, true);
		r = open_snapshot(w, a, why);
		worker_mark_disk(w, false);
		if (r < 0)
			return r;
		a->restores = r == 0;
		if (why->text[0])
			worker_report(w, "the snapshot of %s is not used: %s", a->name, why->text);
		why->text[0] = '\0';
	}
	if (!fits(w, a))
		return 1;
	r = load(w, v, a, why);
	if (r == 0 && a->restores)
		r = read_state(w, v, a, why);
	if (r < 0)
		return r;
	if (!fits(w, a))
		return 1;
	view_init(&v->view, v->view.id, v->view.reducer,
		  a->restores ? &a->snapshot.pos : &(struct log_pos){0});
	v->begin = v->view.pos;
	if (a->restores && a->snapshot.holes.n > 0) {
		v->holes = a->snapshot.holes;
		v->holes_turn = v->holes_told = 1; /* told with MSG_ADDED */
	}
	return 0;
}

static struct worker_view *make_view(struct worker *w, struct packet *p)
{
	struct view **pass = realloc(w->pass, (w->n_views + 1) * sizeof(*pass));

	if (!pass)
		return NULL;
	w->pass = pass;
	struct pacer **pacers = realloc(w->pacers, (w->n_views + 1) * sizeof(*pacers));
	if (!pacers)
		return NULL;
	w->pacers = pacers;
	struct worker_view *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->view.id = p->message.view;
	v->slot = p->message.slot;
	v->eager = p->message.flags & MSG_SHOWN ? 1 : 0;
	v->version_base = p->message.version;
	v->next = w->views;
	w->views = v;
	w->n_views++;
	return v;
}

void worker_add(struct worker *w, struct packet *p)
{
	struct addition a = {.m = &p->message, .snapshot_fd = -1};
	struct diag why = {0};

	if (p->message.slot >= PROTO_SLOTS)
		return;
	if (p->n_fds < 1)
		return worker_ask_again(w, p->message.view, 0, worker_lost_fds(w),
					"the worker has no descriptors for it");
	a.reducer_fd = p->fds[0];
	if (p->n_fds > 1)
		a.snapshot_fd = p->fds[1];
	if (error_passes(w->confined))
		w->confined = sandbox_enter(&w->sandbox, w->memory, &w->unconfined);
	if (error_passes(w->confined))
		return worker_ask_again(w, p->message.view, 0, w->confined, w->unconfined.text);
	struct worker_view *v = make_view(w, p);
	if (!v)
		return worker_ask_again(w, p->message.view, 0, -ENOMEM, "the worker has no memory for it");
	if (w->confined < 0)
		return worker_break(w, v, 0, 0, w->unconfined.text);
	snprintf(a.name, sizeof(a.name), "%.*s", (int)p->text.len, p->text.data);
	int r = begin(w, v, &a, &why);
	buf_deinit(&a.text);
	if (r == -ENOMEM && worker_is_short(w))
		w->exhausted = true; /* whose doing that is shows when it is weighed */
	if (error_passes(r)) {
		worker_ask_again(w, p->message.view, 0, r, why.text[0] ? why.text : strerror(-r));
		return worker_remove(w, p->message.view);
	}
	if (r < 0)
		return worker_break(w, v, 0, 0, why.text[0] ? why.text : strerror(-r));
	if (r == 0)
		worker_view_publish(w, v);
	struct message answer = worker_view_message(v, r == 0 ? MSG_ADDED : MSG_LAGS);
	answer.size = v->holes_turn;
	answer.changed = a.restores ? a.snapshot.changed : 0;
	worker_send(w, &answer, r == 0 ? worker_view_holes(v) : (struct slice){0}, NULL, 0);
	if (r == 1)
		worker_remove(w, p->message.view);
}
