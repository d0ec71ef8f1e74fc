#include <errno.h>
#include <fcntl.h>

#include "model/snapshot.h"
#include "model/views_impl.h"

#define LAG_MAX (8u << 20) /* farther behind the head than this the main worker takes no view */

/* What adding a view takes, copied from under the lock. */
struct addition {
	char name[LIMIT_NAME + 1];
	struct definition *def;
	struct message m;
	bool no_snapshot;
	int snapshot; /* of a handover: the entry's */
};

/* Under the lock. False: the worker is full. */
static bool describe(struct worker_handle *h, const struct entry *e, struct addition *ret)
{
	int slot = worker_handle_take_slot(h);

	if (slot < 0)
		return false;
	h->given++;
	h->natives += e->def->kind == REDUCER_C;
	*ret =
	    (struct addition){.def = definition_ref(e->def), .no_snapshot = e->no_snapshot, .snapshot = -1};
	memcpy(ret->name, e->name, sizeof(ret->name));
	ret->m = (struct message){
	    .type = MSG_ADD,
	    .view = e->id,
	    .slot = (uint32_t)slot,
	    .kind = e->def->kind,
	    .identity = e->def->identity,
	    .version = e->version,
	};
	return true;
}

unsigned entry_place(const struct views *v, const struct entry *e)
{
	if (life_is_alone(&e->life))
		return e->solo;
	/* Over an empty log no view can prove itself: they need not wait for that together, in one worker with the next new one. */
	return e->life.stage == LIFE_MAIN || v->head == 0 ? MAIN : REBUILD;
}

static bool is_homeless(const struct views *v, const struct entry *e, unsigned which)
{
	return !e->worker && !e->broken && entry_place(v, e) == which;
}

void views_needed(struct views *v, bool ret[static WORKERS])
{
	memset(ret, 0, WORKERS * sizeof(*ret));
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		if (!e->worker && !e->broken)
			ret[entry_place(v, e)] = true;
		else if (e->worker)
			ret[e->worker->place] = true;
	}
	pthread_mutex_unlock(&v->lock);
}

/* Under the lock. Is a view that has caught up on its way out of the rebuild worker? What comes in next may never come back, so it
 * waits for that little while, and that view for nobody. */
static bool is_leaving(struct views *v, struct entry *e)
{
	if (!e->worker || e->worker != v->workers[REBUILD])
		return false;
	entry_sync(e);
	return e->handing || e->heir || e->handover_fd >= 0 || entry_handover_due(v, e);
}

static bool next_addition(struct views *v, unsigned which, struct addition *ret)
{
	struct entry *e = NULL;
	bool ok = false;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries && !e; i++)
		if (is_homeless(v, v->entries[i], which) && !v->entries[i]->again.at_ms)
			e = v->entries[i];
	for (size_t i = 0; i < v->n_entries && e && which == REBUILD; i++)
		if (is_leaving(v, v->entries[i]))
			e = NULL;
	if (e) {
		ok = describe(v->workers[which], e, ret);
		if (!ok)
			entry_break(v, e, "there are more views than a worker can keep");
	}
	if (ok && which == MAIN) {
		life_step(&e->life, LIFE_TAKEN);
		ret->m.size = LAG_MAX;
		ret->m.flags = e->proven || v->head == 0 ? 0 : MSG_MUST_RESTORE;
	}
	pthread_mutex_unlock(&v->lock);
	return ok;
}

/* The worker has it: from now on it is asked directly. Or it is gone already. */
static void note_added(struct views *v, struct worker_handle *h, const struct addition *a)
{
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, a->m.view);
	if (e && !e->broken) {
		e->worker = worker_handle_ref(h);
		e->slot = a->m.slot;
		e->base_version = a->m.version;
		e->snapshot_off = e->snapshot_time = 0;
		e->holes_turn = 0;
		e->resend = true;
	} else {
		views_forget(v, (struct gone){worker_handle_ref(h), a->m.view, a->m.slot, -1});
	}
	pthread_mutex_unlock(&v->lock);
}

/* It could not be handed to the worker. */
static void ask_again(struct views *v, const struct addition *a, int error)
{
	struct diag why;

	diag_set(&why, 0, "it cannot be handed to its worker: %s",
		 error ? strerror(-error) : "the socket is out of order");
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, a->m.view);
	if (e && !e->broken)
		entry_ask_again(v, e, why.text);
	pthread_mutex_unlock(&v->lock);
}

void views_tell_homeless(struct views *v, unsigned which, const char *why)
{
	pthread_mutex_lock(&v->lock);
	diag_set(&v->waits_for, 0, "%s", why ? why : "");
	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		if (!is_homeless(v, e, which))
			continue;
		if (why)
			entry_ask_again(v, e, why);
		else
			e->again.at_ms = 0;
	}
	pthread_mutex_unlock(&v->lock);
}

bool views_add_one(struct views *v, unsigned which)
{
	struct worker_handle *h = v->workers[which];
	struct addition a;

	if (!next_addition(v, which, &a))
		return false;
	auto_close int snapshot = a.no_snapshot ? -1 : snapshot_open(v->views_fd, a.name);
	auto_close int reducer = definition_memfd(a.def);
	int fds[] = {reducer, snapshot}, error = error_passes(snapshot) ? snapshot : min(reducer, 0);
	bool sent = error == 0 && views_send(h, &a.m, slice_of(a.name), fds, snapshot >= 0 ? 2 : 1);
	if (sent)
		note_added(v, h, &a);
	else
		worker_handle_drop_slot(h, a.m.slot);
	bool without = !sent && !h->full;
	if (without)
		ask_again(v, &a, error);
	definition_unref(a.def);
	return sent || without;
}

static bool next_handover(struct views *v, struct addition *ret)
{
	bool ok = false;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries && !ok; i++) {
		struct entry *e = v->entries[i];
		if (e->handover_fd < 0 || e->heir || e->again.at_ms)
			continue;
		if (!describe(v->workers[MAIN], e, ret)) {
			/* As it is leaving, nobody else could come in where it is. */
			life_step(&e->life, LIFE_STAYS);
			entry_keep(v, e);
			continue;
		}
		ok = true;
		ret->m.flags = MSG_MUST_RESTORE | MSG_TRUSTED;
		/* Both count the same changes from there on, so versions stay what they are. */
		ret->m.version = e->handover_version;
		ret->snapshot = e->handover_fd; /* closed by nobody but this thread */
	}
	pthread_mutex_unlock(&v->lock);
	return ok;
}

bool views_hand_over_one(struct views *v)
{
	struct worker_handle *h = v->workers[MAIN];
	struct addition a;

	if (!next_handover(v, &a))
		return false;
	auto_close int reducer = definition_memfd(a.def);
	int fds[] = {reducer, a.snapshot};
	bool sent = reducer >= 0 && views_send(h, &a.m, slice_of(a.name), fds, 2);
	if (!sent && !h->full)
		ask_again(v, &a, min(reducer, 0));
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, a.m.view);
	if (sent && e && !e->broken && !e->heir && e->handover_fd >= 0) {
		e->heir = worker_handle_ref(h);
		e->heir_slot = a.m.slot;
	} else if (sent) {
		views_forget(v, (struct gone){worker_handle_ref(h), a.m.view, a.m.slot, -1});
	} else {
		worker_handle_drop_slot(h, a.m.slot);
	}
	pthread_mutex_unlock(&v->lock);
	definition_unref(a.def);
	return sent;
}
