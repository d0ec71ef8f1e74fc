/* A worker that grows although its states may not is started anew in time: reducers, and libjq, lose memory. Its states are saved, and it
 * ends; the next one begins with them, and shows how much memory they really need. */
#include "base/clock.h"
#include "model/views_impl.h"

#define PATIENCE_MS 10000 /* for the snapshots */

/* Under the lock: all of its states are to be saved as of now. */
static void ask(struct views *v, const struct worker_handle *h)
{
	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		if (e->worker != h)
			continue;
		entry_sync(e);
		e->renew_off = e->pos.off;
		e->save_now = e->snapshot_off < e->renew_off;
	}
}

enum progress { SAVING, SAVED, NOT_SAVED };

/* Under the lock. */
static enum progress look(struct views *v, const struct worker_handle *h)
{
	enum progress progress = SAVED;

	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		if (e->worker != h && e->heir != h)
			continue;
		if (e->save_now || e->saving != SAVE_NONE || e->heir || e->handover_fd >= 0)
			return SAVING;
		/* Then it would fold, and lose, the same once more. */
		if (e->snapshot_off < e->renew_off)
			progress = NOT_SAVED;
	}
	return progress;
}

/* It is far from the limit yet, but has at least doubled since it had all of its states. */
static bool is_due(const struct worker_handle *h)
{
	uint64_t least = max(h->limits.memory / 2, 2 * h->fresh);

	return h->limits.memory && h->fresh && h->resident > least && h->resident > h->renew_at;
}

bool views_renew(struct views *v, struct worker_handle *h)
{
	uint64_t now = clock_ms();

	if (h->stopping || v->stop_ms || (!h->renew_ms && !is_due(h)))
		return false;
	pthread_mutex_lock(&v->lock);
	if (!h->renew_ms)
		ask(v, h);
	enum progress progress = look(v, h);
	pthread_mutex_unlock(&v->lock);
	if (!h->renew_ms)
		h->renew_ms = now;
	if (progress == SAVED)
		return true;
	if (progress == NOT_SAVED || now - h->renew_ms >= PATIENCE_MS) {
		h->renew_at = h->resident + h->limits.memory / 8;
		h->renew_ms = 0;
	}
	return false;
}
