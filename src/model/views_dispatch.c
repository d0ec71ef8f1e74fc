#include <errno.h>

#include "model/views_impl.h"

#define HANDOVERS_MAX 8

bool views_send(struct worker_handle *h, const struct message *m, struct slice text, const int *fds,
		unsigned n_fds)
{
	int r = worker_handle_send(h, m, text, fds, n_fds);

	if (r == -EAGAIN)
		h->full = true;
	return r == 0;
}

static bool is_alive(const struct views *v, const struct worker_handle *h)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (h && h == v->workers[i])
			return true;
	return false;
}

static bool forget_one(struct views *v)
{
	struct gone gone;

	pthread_mutex_lock(&v->lock);
	bool any = v->n_gone > 0;
	if (any)
		gone = v->gone[--v->n_gone];
	pthread_mutex_unlock(&v->lock);
	if (!any)
		return false;
	if (is_alive(v, gone.worker)) {
		struct message m = {.type = MSG_REMOVE, .view = gone.id};
		if (!views_send(gone.worker, &m, (struct slice){0}, NULL, 0) && gone.worker->full) {
			pthread_mutex_lock(&v->lock);
			views_forget(v, gone);
			pthread_mutex_unlock(&v->lock);
			return false;
		}
		worker_handle_drop_slot(gone.worker, gone.slot);
	}
	worker_handle_unref(gone.worker);
	closep(&gone.fd);
	return true;
}

uint64_t views_again_time(struct views *v)
{
	uint64_t time = UINT64_MAX;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++)
		if (v->entries[i]->again.at_ms)
			time = min(time, v->entries[i]->again.at_ms);
	pthread_mutex_unlock(&v->lock);
	return time;
}

/* Those whose pause is over are asked for again. */
static void end_pauses(struct views *v)
{
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++)
		if (again_is_due(&v->entries[i]->again))
			v->entries[i]->again.at_ms = 0;
	pthread_mutex_unlock(&v->lock);
}

static struct message want_of(const struct entry *e, uint32_t flags, uint64_t off)
{
	return (struct message){
	    .type = MSG_WANT,
	    .view = e->id,
	    .flags = flags,
	    .off = off,
	    .version = e->rendering ? e->rendering->version : 0,
	};
}

/* What the waiters of one entry want; the number of messages, -1 where there is no such entry. */
static ssize_t next_wants(struct views *v, struct worker_handle *h, struct message **ret, uint32_t *ret_id)
{
	ssize_t n = -1;

	*ret = NULL;
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries && n < 0; i++) {
		struct entry *e = v->entries[i];
		size_t count = 0;
		if (!e->resend || e->worker != h || e->again.at_ms)
			continue;
		for (struct waiter *w = e->waiters; w; w = w->next)
			count++;
		*ret = malloc((count + 1) * sizeof(struct message));
		n = 0;
		for (struct waiter *w = *ret ? e->waiters : NULL; w; w = w->next)
			(*ret)[n++] = want_of(e, w->what == VIEWS_STATE ? MSG_STATE : 0, w->need);
		/* Nobody waits any more, and nobody will before it can be had: so it is asked for unasked. */
		if (*ret && count == 0 && entry_is_without(e))
			(*ret)[n++] = want_of(e, MSG_STATE, 0);
		e->resend = !*ret;
		*ret_id = e->id;
	}
	pthread_mutex_unlock(&v->lock);
	return n;
}

static bool want_one(struct views *v, struct worker_handle *h)
{
	struct message *wants;
	uint32_t id = 0;
	bool sent = true;

	ssize_t n = next_wants(v, h, &wants, &id);
	if (n >= 0)
		sent = wants; /* else there was no memory for them */
	for (ssize_t i = 0; i < n && sent; i++) {
		bool again =
		    i > 0 && wants[i].off == wants[i - 1].off && wants[i].flags == wants[i - 1].flags;
		sent = again || views_send(h, &wants[i], (struct slice){0}, NULL, 0);
	}
	free(wants);
	if (!sent) {
		pthread_mutex_lock(&v->lock);
		struct entry *e = views_find_id(v, id);
		if (e)
			e->resend = true;
		if (e && !h->full)
			entry_ask_again(v, e, "its worker cannot be asked");
		pthread_mutex_unlock(&v->lock);
	}
	return n >= 0 && sent;
}

/* Under the lock. However many views have caught up, they go a few at a time: all their snapshots at once would be a descriptor each, and
 * none left for what else a handover takes. */
static bool may_hand_over(const struct views *v, const struct entry *e)
{
	return v->handovers < HANDOVERS_MAX && entry_handover_due(v, e);
}

/* Under the lock. The next view of the worker's that is to be saved or handed over. */
static struct entry *next_save(struct views *v, struct worker_handle *h)
{
	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		if (e->worker != h || e->saving != SAVE_NONE || e->again.at_ms)
			continue;
		entry_sync(e);
		if (entry_save_due(v, e) || may_hand_over(v, e))
			return e;
		e->save_now = false;
	}
	return NULL;
}

static bool save_one(struct views *v, struct worker_handle *h)
{
	struct message m;

	pthread_mutex_lock(&v->lock);
	struct entry *e = next_save(v, h);
	if (e) {
		e->saving = SAVE_ASKED;
		e->handing = may_hand_over(v, e);
		v->handovers += e->handing;
		m = want_of(e, MSG_SNAPSHOT, 0);
	}
	pthread_mutex_unlock(&v->lock);
	if (!e)
		return false;
	if (views_send(h, &m, (struct slice){0}, NULL, 0)) {
		views_watch(v);
		return true;
	}
	pthread_mutex_lock(&v->lock);
	e = views_find_id(v, m.view);
	if (e && e->saving == SAVE_ASKED)
		e->saving = SAVE_NONE;
	pthread_mutex_unlock(&v->lock);
	return false;
}

static void dispatch(struct views *v, unsigned which)
{
	struct worker_handle *h = v->workers[which];

	if (!h || h->stopping)
		return;
	while (!h->full && !v->stop_ms && views_add_one(v, which))
		;
	while (which == MAIN && !h->full && !v->stop_ms && views_hand_over_one(v))
		;
	while (!h->full && want_one(v, h))
		;
	while (!h->full && save_one(v, h))
		;
}

static void count_handovers(struct views *v)
{
	v->handovers = 0;
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++)
		v->handovers += v->entries[i]->handing || v->entries[i]->handover_fd >= 0;
	pthread_mutex_unlock(&v->lock);
}

void views_dispatch(struct views *v)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (v->workers[i])
			v->workers[i]->full = false;
	end_pauses(v);
	while (forget_one(v))
		;
	count_handovers(v);
	for (unsigned i = 0; i < WORKERS; i++)
		dispatch(v, i);
}
