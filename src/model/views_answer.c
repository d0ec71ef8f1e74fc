#include <errno.h>

#include "base/clock.h"
#include "model/views_impl.h"

#define LOG_PAUSE_MS 200 /* before a worker is sent the log's files again */

#define UNHEARD 3 /* times that a worker with nothing left to do leaves somebody waiting */

/* Nothing a worker says of a view's place can lie beyond the head that it was told of, and the state can't have changed more often than
 * there were events. Else it has lost its way, perhaps all of it: it is replaced. */
static bool is_believable(const struct entry *e, const struct log_pos *pos, uint64_t version)
{
	bool can_be = pos->off <= atomic_load(&e->worker->orders->head) && pos->seq <= pos->off &&
		      version >= e->base_version && version - e->base_version <= pos->seq;

	if (!can_be)
		atomic_store(&e->worker->unsound, true);
	return can_be;
}

void entry_touch(struct entry *e)
{
	uint64_t now = clock_unix_ns();

	e->changed_before = e->changed;
	if (e->pos.off <= e->old_until)
		now = min(now, e->old_changed);
	e->changed = max(now, e->defined);
}

/* Under the lock. */
static void note(struct entry *e, const struct log_pos *pos, uint64_t version)
{
	e->pos = *pos;
	if (version > e->version) {
		e->version = version;
		entry_touch(e);
	}
	if (e->rendering && e->rendering->version == version)
		e->rendering_pos = *pos;
}

void entry_sync(struct entry *e)
{
	struct slot_value value;

	if (!e->worker || !slot_read(&e->worker->shared->slots[e->slot], &value) || value.view != e->id)
		return;
	/* It has come past a hole: first the message that says so. */
	if (value.holes != e->holes_turn || !is_believable(e, &value.pos, value.version))
		return;
	note(e, &value.pos, value.version);
	e->folded = value.folded;
	e->rate = value.rate;
}

/* Can it be answered with what is at hand? */
static bool answer_of(const struct entry *e, enum views_what what, uint64_t need, struct views_answer *ret)
{
	if (what == VIEWS_POSITION) {
		if (e->pos.off < need)
			return false;
		*ret = (struct views_answer){.pos = e->pos, .version = e->version};
		return true;
	}
	if (!e->rendering || e->rendering_pos.off < need)
		return false;
	/* After a worker's death the version has gone on, though the state may be the same: who has this has the newest. */
	*ret = (struct views_answer){
	    .pos = e->rendering_pos,
	    .version = e->rendering_pos.off >= e->pos.off ? e->version : e->rendering->version,
	    .rendering = rendering_ref(e->rendering),
	};
	return true;
}

static void finish(struct views *v, struct waiter **at)
{
	struct waiter *w = *at;

	*at = w->next;
	w->next = v->finished;
	v->finished = w;
}

void entry_answer(struct views *v, struct entry *e)
{
	for (struct waiter **at = &e->waiters; *at;) {
		struct waiter *w = *at;
		if (answer_of(e, w->what, w->need, &w->answer))
			finish(v, at);
		else
			at = &w->next;
	}
}

void entry_fail(struct views *v, struct entry *e, int error)
{
	while (e->waiters) {
		e->waiters->answer = (struct views_answer){.error = error};
		finish(v, &e->waiters);
	}
}

void views_call_finished(struct views *v)
{
	pthread_mutex_lock(&v->lock);
	struct waiter *list = take_ptr(v->finished);
	pthread_mutex_unlock(&v->lock);
	while (list) {
		struct waiter *w = list;
		list = w->next;
		w->done(w->arg, &w->answer);
		free(w);
	}
}

void views_cancel(struct views *v, const void *key)
{
	bool any = false;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++) {
		for (struct waiter **at = &v->entries[i]->waiters; *at;) {
			if ((*at)->key != key) {
				at = &(*at)->next;
				continue;
			}
			(*at)->answer = (struct views_answer){.error = -EINTR};
			finish(v, at);
			any = true;
		}
	}
	pthread_mutex_unlock(&v->lock);
	if (any)
		views_kick(v);
}

/* Has the worker been asked already for as much? Then its answer will do for this one, too. */
static bool is_asked(const struct entry *e, const struct waiter *waiter)
{
	for (const struct waiter *w = e->waiters; w; w = w->next)
		if (w != waiter && w->what == waiter->what && w->need >= waiter->need)
			return !e->resend;
	return false;
}

/* Under the lock. True: the answer is there. False: it waits, and *ret_worker (a reference) is to be sent *ret_want. */
static bool enter(struct views *v, const char *name, struct waiter *w, struct worker_handle **ret_worker,
		  struct message *ret_want)
{
	struct entry *e = views_find(v, name);

	w->answer = (struct views_answer){.error = v->stopping ? -ESHUTDOWN
						   : !e        ? -ENOENT
						   : e->broken || e->stalled || entry_is_without(e) ? -EIO
												    : 0};
	if (w->answer.error < 0)
		return true;
	entry_sync(e);
	if (answer_of(e, w->what, w->need, &w->answer))
		return true;
	/* A cancel either came before, and is seen here, or it will find the waiter. */
	if (v->options.cancelled && v->options.cancelled(v->options.arg, w->key)) {
		w->answer = (struct views_answer){.error = -EINTR};
		return true;
	}
	w->next = e->waiters;
	e->waiters = w;
	if (!e->worker || is_asked(e, w))
		return false;
	*ret_worker = worker_handle_ref(e->worker);
	*ret_want = (struct message){
	    .type = MSG_WANT,
	    .view = e->id,
	    .flags = w->what == VIEWS_STATE ? MSG_STATE : 0,
	    .off = w->need,
	    .version = e->rendering ? e->rendering->version : 0,
	};
	return false;
}

static void ask(struct views *v, const char *name, struct worker_handle *h, const struct message *want)
{
	/* Whoever moved the head may not have said so yet. */
	if (atomic_load(&h->orders->head) < want->off)
		views_head_moved(v);
	int r = worker_handle_send(h, want, (struct slice){0}, NULL, 0);
	if (r < 0 && r != -EPIPE) {
		pthread_mutex_lock(&v->lock);
		struct entry *e = views_find(v, name);
		if (e)
			e->resend = true;
		pthread_mutex_unlock(&v->lock);
		views_kick(v);
	}
	views_watch(v);
	worker_handle_unref(h);
}

void views_want(struct views *v, const char *name, enum views_what what, const void *key, views_done *done,
		void *arg)
{
	struct worker_handle *worker = NULL;
	struct message want;

	struct waiter *w = malloc(sizeof(*w));
	if (!w) {
		done(arg, &(struct views_answer){.error = -ENOMEM});
		return;
	}
	*w = (struct waiter){
	    .what = what, .need = eventlog_head(v->log).off, .key = key, .done = done, .arg = arg};
	pthread_mutex_lock(&v->lock);
	bool answered = enter(v, name, w, &worker, &want);
	pthread_mutex_unlock(&v->lock);
	if (answered) {
		done(arg, &w->answer);
		free(w);
	} else if (worker) {
		ask(v, name, worker, &want);
	}
}

/* A rendering, or word that the last one still holds. */
static void handle_state(struct views *v, struct worker_handle *h, const struct message *m,
			 struct rendering *rendering)
{
	struct rendering *old = NULL;

	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, m->view);
	if (!e || e->worker != h || e->broken || !is_believable(e, &m->pos, m->version)) {
		old = rendering;
	} else {
		if (rendering && (!e->rendering || e->rendering->version <= rendering->version)) {
			old = e->rendering;
			e->rendering = rendering;
			e->rendering_pos = rendering->pos;
			e->state_bytes = rendering->json.len - 1;
		} else {
			old = rendering;
		}
		if ((m->flags & MSG_STATE) && e->rendering && e->rendering->version == m->version)
			entry_has_all(e);
		note(e, &m->pos, m->version);
		/* Rather too early than too late: what is told of an older state must not be taken for the newer one's. */
		if (rendering && e->rendering == rendering)
			rendering->changed =
			    rendering->version == e->version ? e->changed : e->changed_before;
		if (e->saving == SAVE_ASKED && (m->flags & (MSG_SNAPSHOT | MSG_NO_SNAPSHOT)))
			views_save(v, e, m);
		/* Word of a rendering that is not here any more: ask again. */
		if (!rendering && (m->flags & MSG_STATE) &&
		    (!e->rendering || e->rendering->version != m->version))
			e->resend = true;
		entry_sync(e);
		entry_answer(v, e);
	}
	pthread_mutex_unlock(&v->lock);
	rendering_unref(old);
}

/* Under the lock: what the worker was asked for did not come through, and is asked for once more. */
static void ask_for_state(struct views *v, struct entry *e, const char *why)
{
	if (e->saving == SAVE_ASKED)
		e->saving = SAVE_NONE;
	e->resend = true;
	if (!e->broken)
		entry_ask_again(v, e, why);
}

static void handle_rendered(struct views *v, struct worker_handle *h, struct packet *p)
{
	struct rendering *rendering;
	struct diag why;

	int r = rendering_of_packet(p, &rendering);
	if (r == 0)
		return handle_state(v, h, &p->message, rendering);
	diag_set(&why, r, "its state could not be taken over from its worker: %s", strerror(-r));
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, p->message.view);
	if (e && e->worker == h && error_passes(r))
		ask_for_state(v, e, why.text);
	else if (e && e->worker == h)
		entry_break(v, e, why.text);
	pthread_mutex_unlock(&v->lock);
}

/* It can't be handed over: it stays where it is. */
static void stay(struct views *v, struct entry *e)
{
	life_step(&e->life, LIFE_STAYS);
	entry_keep(v, e);
}

static void handle_broken(struct views *v, struct worker_handle *h, const struct packet *p)
{
	const struct message *m = &p->message;
	struct diag why = {0};
	int len = (int)p->text.len;

	if (m->seq)
		diag_set(&why, 0, "event %llu at offset %llu: %.*s", (unsigned long long)m->seq,
			 (unsigned long long)m->off, len, p->text.data);
	else
		diag_set_text(&why, 0, p->text);
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, m->view);
	bool known = e && e->worker == h;
	char name[LIMIT_NAME + 1];
	if (e && e->heir == h)
		stay(v, e);
	if (known) {
		memcpy(name, e->name, sizeof(name));
		entry_sync(e);
		entry_break(v, e, why.text);
	}
	pthread_mutex_unlock(&v->lock);
	if (known)
		views_report(v, "the view %s is broken: %s", name, why.text);
}

static void handle_changed(struct views *v, struct worker_handle *h)
{
	atomic_store(&h->shared->changed_sent, 0);
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		if (e->worker != h)
			continue;
		entry_sync(e);
		entry_answer(v, e);
	}
	pthread_mutex_unlock(&v->lock);
}

/* Under the lock: what the message says of the view's holes. Believes nothing that could hurt. */
static void take_holes(struct entry *e, const struct packet *p)
{
	struct holes holes = {0};

	if (p->text.len == sizeof(holes))
		memcpy(&holes, p->text.data, sizeof(holes));
	e->added |= (e->holes.n > 0) != (holes.n > 0) || e->holes.events != holes.events;
	e->holes = holes;
	e->holes_turn = p->message.size;
}

static void handle_holes(struct views *v, struct worker_handle *h, const struct packet *p)
{
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, p->message.view);
	if (e && e->worker == h && !e->broken) {
		take_holes(e, p);
		entry_sync(e);
		entry_answer(v, e);
	}
	pthread_mutex_unlock(&v->lock);
}

/* The log can't be read now, or can again: whoever waits for the view is not to wait for that. */
static void handle_stalled(struct views *v, struct worker_handle *h, const struct packet *p, bool stalled)
{
	char name[LIMIT_NAME + 1];

	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, p->message.view);
	bool known = e && e->worker == h && !e->broken && e->stalled != stalled;
	if (known) {
		memcpy(name, e->name, sizeof(name));
		e->stalled = stalled;
		e->added = true;
		diag_set(&e->why, 0, "%.*s", (int)min(p->text.len, (size_t)400), p->text.data);
		if (stalled)
			entry_fail(v, e, -EIO);
	}
	pthread_mutex_unlock(&v->lock);
	if (known && stalled)
		views_report(v, "the view %s: %.*s", name, (int)min(p->text.len, (size_t)400), p->text.data);
	else if (known)
		views_report(v, "the view %s goes on: the log can be read again", name);
}

/* The heir has the state: from now on it is the view's worker. */
static void inherit(struct views *v, struct entry *e, const struct packet *p)
{
	entry_sync(e);
	e->folded_before += e->folded;
	e->folded = 0;
	views_forget(v, (struct gone){e->worker, e->id, e->slot, take_fd(&e->handover_fd)});
	e->worker = take_ptr(e->heir);
	e->base_version = e->handover_version;
	e->slot = e->heir_slot;
	e->proven = true;
	life_step(&e->life, LIFE_TAKEN);
	if (e->saving == SAVE_ASKED)
		e->saving = SAVE_NONE;
	e->resend = true;
	e->stalled = false;
	entry_has_all(e);
	take_holes(e, p);
	entry_sync(e);
}

static void handle_added(struct views *v, struct worker_handle *h, const struct packet *p)
{
	const struct message *m = &p->message;
	struct rendering *old = NULL;

	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, m->view);
	if (e && e->heir == h) {
		inherit(v, e, p);
	} else if (e && e->worker == h) {
		uint64_t n = e->holes.n, events = e->holes.events;
		take_holes(e, p);
		/* It begins before holes that it will come to once more: nothing would tell of those in the last rendering. */
		if (n != e->holes.n || events != e->holes.events)
			old = take_ptr(e->rendering);
		e->proven |= h == v->workers[MAIN];
		if (e->undated && m->changed && m->version == e->version)
			e->changed = min(m->changed, clock_unix_ns());
		e->undated = false;
		if (m->pos.off > 0) {
			e->snapshot_off = m->pos.off;
			e->snapshot_time = clock_unix();
		}
		entry_has_all(e);
		entry_sync(e);
		entry_answer(v, e);
	}
	pthread_mutex_unlock(&v->lock);
	rendering_unref(old);
}

static void handle_lags(struct views *v, struct worker_handle *h, const struct message *m)
{
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, m->view);
	if (e && e->heir == h) {
		stay(v, e);
	} else if (e && e->worker == h) {
		entry_detach(v, e);
		life_step(&e->life, LIFE_LAGS);
	}
	pthread_mutex_unlock(&v->lock);
}

/* It says that it has nothing left to do. Then nobody can be waiting for it: they are asked for once more, and if that comes to the
 * same, it is a worker that can't be believed. */
static void handle_idle(struct views *v, struct worker_handle *h)
{
	handle_changed(v, h);
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		if (e->worker != h)
			continue;
		e->unheard = e->waiters && !e->resend ? e->unheard + 1 : 0;
		e->resend |= e->unheard > 0;
		if (e->saving == SAVE_ASKED) { /* there will be no answer */
			e->saving = SAVE_NONE;
			e->handing = false;
		}
		if (e->unheard >= UNHEARD)
			atomic_store(&h->unsound, true);
	}
	pthread_mutex_unlock(&v->lock);
}

static void handle_report(struct views *v, struct worker_handle *h, const struct packet *p)
{
	if (worker_handle_may_report(h, clock_ms()))
		views_report(v, "%.*s", (int)min(p->text.len, (size_t)700), p->text.data);
}

/* The worker could not do it now. */
static void handle_again(struct views *v, struct worker_handle *h, const struct packet *p)
{
	struct diag why;

	diag_set_text(&why, 0, p->text);
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, p->message.view);
	if (e && e->heir == h) {
		views_forget(v, (struct gone){take_ptr(e->heir), e->id, e->heir_slot, -1});
		entry_ask_again(v, e, why.text);
	} else if (e && e->worker == h && (p->message.flags & MSG_STATE)) {
		ask_for_state(v, e, why.text);
	} else if (e && e->worker == h && !e->broken) {
		entry_detach(v, e);
		entry_ask_again(v, e, why.text);
	}
	pthread_mutex_unlock(&v->lock);
}

/* The worker did not get the log's files. */
static void ask_for_log(struct views *v, struct worker_handle *h)
{
	atomic_store(&h->generation, UINT64_MAX);
	for (unsigned i = 0; i < WORKERS; i++)
		if (v->workers[i] == h)
			again_later(&v->publish[i], LOG_PAUSE_MS);
}

void views_handle(struct views *v, struct worker_handle *h, struct packet *p)
{
	switch (p->message.type) {
	case MSG_AT:
		return handle_state(v, h, &p->message, NULL);
	case MSG_RENDERED:
		return handle_rendered(v, h, p);
	case MSG_CHANGED:
		return handle_changed(v, h);
	case MSG_BROKEN:
		return handle_broken(v, h, p);
	case MSG_ADDED:
		return handle_added(v, h, p);
	case MSG_LAGS:
		return handle_lags(v, h, &p->message);
	case MSG_HOLES:
		return handle_holes(v, h, p);
	case MSG_AGAIN:
		return p->message.view ? handle_again(v, h, p) : ask_for_log(v, h);
	case MSG_STALLED:
	case MSG_RESUMED:
		return handle_stalled(v, h, p, p->message.type == MSG_STALLED);
	case MSG_REPORT:
		return handle_report(v, h, p);
	case MSG_WEIGHT:
	case MSG_SPENT:
		return worker_handle_weight(h, &p->message);
	case MSG_LOST: {
		struct diag why;
		diag_set(&why, 0, "%.*s", (int)min(p->text.len, (size_t)200), p->text.data);
		h->lost_view = p->message.view;
		return worker_handle_kill(h, h->lost_view ? BLAME_VIEW : BLAME_UNKNOWN, why.text);
	}
	case MSG_PONG:
		if (worker_handle_pong(h, &p->message))
			handle_idle(v, h);
		return;
	default:
		return; /* the daemon believes nothing */
	}
}
