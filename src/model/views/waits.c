#include <errno.h>

#include "base/clock.h"
#include "model/views/board_impl.h"

#define UNHEARD 3 /* times that a worker with nothing left to do leaves somebody waiting */

bool view_has(const struct board_view *v, const struct waiter *w)
{
	if (w->request.what == VIEWS_POSITION)
		return v->pos.off >= w->need;
	return v->rendering && v->rendering_pos.off >= w->need;
}

static struct views_answer answer_of(struct board_view *v, enum views_what what)
{
	if (what == VIEWS_POSITION)
		return (struct views_answer){.pos = v->pos, .version = v->version};
	v->rendering_ms = clock_ms();
	/* After a worker's death the version has gone on, though the state may be the same: who has this has
	 * the newest. */
	return (struct views_answer){
	    .pos = v->rendering_pos,
	    .version = v->rendering_pos.off >= v->pos.off ? v->version : v->rendering->version,
	    .rendering = rendering_ref(v->rendering),
	};
}

static void finish(struct board *b, struct waiter **at, const struct views_answer *a)
{
	struct waiter *w = *at;

	w->answer = *a;
	*at = w->next;
	w->next = b->finished;
	b->finished = w;
}

void view_answer(struct board *b, struct board_view *v)
{
	for (struct waiter **at = &v->waiters; *at;) {
		if (!view_has(v, *at)) {
			at = &(*at)->next;
			continue;
		}
		struct views_answer a = answer_of(v, (*at)->request.what);
		finish(b, at, &a);
	}
}

void view_fail(struct board *b, struct board_view *v, int error)
{
	while (v->waiters)
		finish(b, &v->waiters, &(struct views_answer){.error = error});
}

void view_unask(struct board_view *v)
{
	for (struct waiter *w = v->waiters; w; w = w->next)
		w->asked = false;
}

void board_call_finished(struct board *b)
{
	pthread_mutex_lock(&b->lock);
	struct waiter *list = take_ptr(b->finished);
	pthread_mutex_unlock(&b->lock);
	while (list) {
		struct waiter *w = list;
		list = w->next;
		w->request.done(w->request.arg, &w->answer);
		free(w);
	}
}

void board_cancel(struct board *b, const void *key)
{
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n_views; i++) {
		for (struct waiter **at = &b->views[i]->waiters; *at;) {
			if ((*at)->request.key == key)
				finish(b, at, &(struct views_answer){.error = -EINTR});
			else
				at = &(*at)->next;
		}
	}
	board_leave(b);
}

void board_stop(struct board *b)
{
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	for (size_t i = 0; i < b->n_views; i++)
		view_fail(b, b->views[i], -ESHUTDOWN);
	pthread_mutex_unlock(&b->lock);
	b->options.wake(b->options.wake_arg);
}

/* Has the worker been asked already for as much? Then its answer will do for this one, too. */
static bool is_asked(const struct board_view *v, const struct waiter *waiter)
{
	for (const struct waiter *w = v->waiters; w; w = w->next)
		if (w->asked && w->request.what == waiter->request.what && w->need >= waiter->need)
			return true;
	return false;
}

static struct message want_of(const struct board_view *v, uint32_t flags, uint64_t off)
{
	return (struct message){
	    .type = MSG_WANT,
	    .view = v->id,
	    .flags = flags,
	    .off = off,
	    .version = v->rendering ? v->rendering->version : 0,
	};
}

static struct message want_of_waiter(const struct board_view *v, const struct waiter *w)
{
	return want_of(v, w->request.what == VIEWS_STATE ? MSG_STATE : 0, w->need);
}

/* True: the answer is there. Else it is among those who wait. */
static bool enter(struct board *b, struct board_view *v, struct waiter *w)
{
	const struct board_options *o = &b->options;

	w->answer = (struct views_answer){.error = b->stopping                     ? -ESHUTDOWN
						   : !v                            ? -ENOENT
						   : v->post.trouble != BOARD_FINE ? -EIO
										   : 0};
	if (w->answer.error < 0)
		return true;
	view_sync(b, v);
	if (view_has(v, w)) {
		w->answer = answer_of(v, w->request.what);
		return true;
	}
	/* A cancel either came before, and is seen here, or it will find the waiter. */
	if (o->cancelled && o->cancelled(o->cancelled_arg, w->request.key)) {
		w->answer = (struct views_answer){.error = -EINTR};
		return true;
	}
	return false;
}

struct worker_handle *board_want(struct board *b, const char *name, const struct views_request *q,
				 uint64_t need, struct message *ret_want)
{
	struct worker_handle *worker = NULL;

	struct waiter *w = malloc(sizeof(*w));
	if (!w) {
		q->done(q->arg, &(struct views_answer){.error = -ENOMEM});
		return NULL;
	}
	*w = (struct waiter){.request = *q, .need = need};
	pthread_mutex_lock(&b->lock);
	struct board_view *v = board_find(b, name);
	bool answered = enter(b, v, w);
	if (v && v->source.worker)
		worker_handle_attend(v->source.worker);
	if (!answered) {
		bool asked = is_asked(v, w);
		if (v->source.worker && !asked) {
			worker = worker_handle_ref(v->source.worker);
			*ret_want = want_of_waiter(v, w);
		}
		w->asked = v->source.worker;
		w->next = v->waiters;
		v->waiters = w;
	}
	board_leave(b);
	if (answered) {
		q->done(q->arg, &w->answer);
		free(w);
	}
	return worker;
}

void board_unask(struct board *b, const char *name)
{
	pthread_mutex_lock(&b->lock);
	struct board_view *v = board_find(b, name);
	if (v)
		view_unask(v);
	pthread_mutex_unlock(&b->lock);
	b->options.wake(b->options.wake_arg);
}

void board_ask_again(struct board *b, struct board_view *v, uint32_t id)
{
	pthread_mutex_lock(&b->lock);
	if (board_has(v, id)) {
		view_unask(v);
		v->probe = true;
	}
	pthread_mutex_unlock(&b->lock);
}

static size_t count_unasked(const struct board_view *v)
{
	size_t n = 0;

	for (const struct waiter *w = v->waiters; w; w = w->next)
		n += !w->asked;
	return n;
}

bool board_take_idle(struct board *b, const struct worker_handle *h)
{
	bool sound = true;

	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n_views; i++) {
		struct board_view *v = b->views[i];
		if (v->source.worker != h)
			continue;
		v->unheard = v->waiters && count_unasked(v) == 0 ? v->unheard + 1 : 0;
		if (v->unheard > 0)
			view_unask(v);
		sound &= v->unheard < UNHEARD;
	}
	pthread_mutex_unlock(&b->lock);
	return sound;
}

/* The same once is enough. */
static bool is_listed(const struct message *list, size_t n, const struct message *m)
{
	return n > 0 && list[n - 1].off == m->off && list[n - 1].flags == m->flags;
}

/* What is to be asked for of one view, which `list` has room for. */
static size_t take_wants(struct board_view *v, struct message *list)
{
	size_t n = 0;

	for (struct waiter *w = v->waiters; w; w = w->next) {
		struct message m = want_of_waiter(v, w);
		if (!w->asked && !is_listed(list, n, &m))
			list[n++] = m;
		w->asked = true;
	}
	/* Nobody waits any more, and nobody will before it can be had: so it is asked for unasked. */
	if (v->probe && !v->waiters && v->post.trouble == BOARD_WANTING)
		list[n++] = want_of(v, MSG_STATE, 0);
	v->probe = false;
	return n;
}

ssize_t board_next_wants(struct board *b, const struct worker_handle *h, struct message **ret)
{
	ssize_t n = 0;

	*ret = NULL;
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n_views && n == 0; i++) {
		struct board_view *v = b->views[i];
		if (v->source.worker != h || v->post.paused)
			continue;
		size_t unasked = count_unasked(v);
		if (unasked == 0 && !v->probe)
			continue;
		*ret = malloc((unasked + 1) * sizeof(struct message));
		n = *ret ? (ssize_t)take_wants(v, *ret) : -ENOMEM;
		if (n == 0)
			free(take_ptr(*ret));
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}
