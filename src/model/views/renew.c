/* A worker that grows although its states may not is started anew in time: reducers, and libjq, lose memory.
 * Its states are saved, and it ends; the next one begins with them, and shows how much memory they really
 * need. */
#include "base/clock.h"
#include "model/views/keeper_impl.h"

#define PATIENCE_MS 10000 /* for the snapshots */

/* All of its states are to be saved as of now. */
static void ask(struct keeper *k, const struct worker_handle *h)
{
	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		if (r->worker != h)
			continue;
		r->renew_off = resident_look(k, r).pos.off;
		r->snapshot.wanted = r->snapshot.off < r->renew_off;
	}
}

enum progress { SAVING, SAVED, NOT_SAVED };

static enum progress look(const struct keeper *k, const struct worker_handle *h)
{
	enum progress progress = SAVED;

	for (size_t i = 0; i < k->n_residents; i++) {
		const struct resident *r = k->residents[i];
		if (r->worker != h && r->heir != h)
			continue;
		if (r->snapshot.wanted || r->life.save != SAVE_NOT || life_moves(&r->life))
			return SAVING;
		/* Then it would fold, and lose, the same once more. */
		if (r->snapshot.off < r->renew_off)
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

bool keeper_renews(struct keeper *k, struct worker_handle *h)
{
	uint64_t now = clock_ms();

	if (h->stopping || k->stop_ms || (!h->renew_ms && !is_due(h)))
		return false;
	if (!h->renew_ms)
		ask(k, h);
	enum progress progress = look(k, h);
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
