#include <errno.h>

#include "base/clock.h"
#include "model/views_impl.h"

#define STRANGERS                                                                                            \
	3 /* so often may somebody else kill a worker on the same event before the view is held responsible */
#define DEATHS_MS 10000 /* as many deaths as are remembered in this time: then the next start waits */
#define RESTART_PAUSE_MS 1000

static bool is_guilty(struct entry *e, const struct worker_end *end)
{
	if (end->phase == FOLD_READING && !e->no_snapshot) {
		/* It may still be right from the start. */
		e->no_snapshot = true;
		return false;
	}
	if (end->blame != BLAME_OUTSIDE)
		return end->blame == BLAME_VIEW;
	if (end->phase != FOLD_FOLDING)
		return false;
	e->suspicions = e->suspicions > 0 && e->suspect_off == end->off ? e->suspicions + 1 : 1;
	e->suspect_off = end->off;
	return e->suspicions >= STRANGERS;
}

/* Under the lock. */
static void leave(struct views *v, struct entry *e)
{
	entry_sync(e);
	e->folded_before += e->folded;
	e->folded = 0;
	e->version++; /* the next worker's versions begin above all that were seen */
	if (e->saving == SAVE_ASKED)
		e->saving = SAVE_NONE;
	entry_keep(v, e);
	e->deaths++;
	e->stalled = false;
	worker_handle_unref(take_ptr(e->worker));
}

/* Under the lock. Whose fault it was; NULL: nobody's. */
static struct entry *leave_all(struct views *v, struct worker_handle *h, const struct worker_end *end)
{
	struct entry *culprit = NULL;

	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		bool ran = end->view && e->id == end->view;
		if (e->heir == h) {
			entry_keep(v, e);
			if (ran && end->phase != FOLD_FOLDING)
				e->settled = true; /* it can't be taken over; where it is, it may be fine */
			else if (ran && is_guilty(e, end))
				culprit = e;
		}
		if (e->worker != h)
			continue;
		leave(v, e);
		if (ran && is_guilty(e, end))
			culprit = e;
	}
	if (culprit)
		entry_break(v, culprit, end->why.text);
	return culprit;
}

static void note_death(struct views *v, unsigned which)
{
	uint64_t now = clock_ms(), oldest = v->deaths_ms[0];

	memmove(v->deaths_ms, v->deaths_ms + 1, sizeof(v->deaths_ms) - sizeof(v->deaths_ms[0]));
	v->deaths_ms[countof(v->deaths_ms) - 1] = now;
	if (oldest && now - oldest < DEATHS_MS)
		v->restart_ms[which] = now + RESTART_PAUSE_MS;
}

void views_worker_died(struct views *v, unsigned which)
{
	struct worker_handle *h = v->workers[which];
	bool expected = h->stopping;
	char name[LIMIT_NAME + 1];
	struct worker_end end;

	worker_handle_reap(h, &end);
	pthread_mutex_lock(&v->lock);
	v->workers[which] = NULL;
	v->pids[which] = 0;
	v->restarts += !expected;
	struct entry *culprit = leave_all(v, h, &end);
	if (culprit)
		memcpy(name, culprit->name, sizeof(name));
	pthread_mutex_unlock(&v->lock);
	worker_handle_unref(h);
	if (culprit) {
		views_report(v, "the view %s is broken: %s", name, end.why.text);
	} else if (!expected) {
		views_report(v, "a fold worker has ended (%s); it is started again", end.why.text);
		note_death(v, which);
	}
}
