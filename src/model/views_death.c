#include <errno.h>

#include "base/clock.h"
#include "model/views_impl.h"

#define STRANGERS                                                                                            \
	3 /* so often may somebody else kill a worker on the same event before the view is held responsible */
#define DEATHS_MS 10000 /* as many deaths as are remembered in this time: then the next start waits */
#define RESTART_PAUSE_MS 1000

/* Has somebody else ended workers on this very event so often that it is the event? A kernel that is short of memory does. */
static bool is_suspicious(struct entry *e, const struct worker_end *end)
{
	if (end->phase != FOLD_FOLDING)
		return false;
	e->suspicions = e->suspicions > 0 && e->suspect_off == end->off ? e->suspicions + 1 : 1;
	e->suspect_off = end->off;
	return e->suspicions >= STRANGERS;
}

/* A worker of one's own: its place; 0: there is no room. */
static unsigned free_solo(const struct views *v)
{
	bool taken[WORKERS] = {false};

	for (size_t i = 0; i < v->n_entries; i++)
		if (life_is_alone(&v->entries[i]->life))
			taken[v->entries[i]->solo] = true;
	for (unsigned i = SOLO; i < WORKERS; i++)
		if (!taken[i] && !v->workers[i])
			return i;
	return 0;
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

/* Under the lock: it goes into a worker of its own. */
static void suspect(struct views *v, struct entry *e)
{
	unsigned solo = life_is_alone(&e->life) ? e->solo : free_solo(v);

	if (!solo || e->broken)
		return;
	entry_detach(v, e);
	life_step(&e->life, LIFE_SUSPECTED);
	e->solo = solo;
	e->trial_off = v->head; /* where it ended lies before that, whatever the mark says */
}

/* Under the lock. An end that has a name: the others have nothing to prove any more. */
static void acquit_all(struct views *v)
{
	for (size_t i = 0; i < v->n_entries; i++)
		life_step(&v->entries[i]->life, LIFE_ACQUITTED);
}

static enum death_verdict judge(struct views *v, const struct worker_handle *h, unsigned which,
				const struct worker_end *end, const struct entry *marked)
{
	bool memory = end->blame == BLAME_MEMORY;
	const struct death d = {
	    .blame = end->blame,
	    .marked = marked,
	    .marked_native = marked && (memory || marked->def->kind == REDUCER_C),
	    .trials = marked ? marked->life.trials : 0,
	    .natives = memory ? h->given : h->natives,
	    .alone = which >= SOLO,
	    .room = free_solo(v) != 0,
	};

	return life_judge(&d);
}

/* What is known of one worker's end. */
struct case_file {
	struct entry *marked;  /* the view that was running; NULL: none of its */
	struct entry *last;    /* one that it had */
	struct entry **had;    /* all that it had; NULL: no memory for the list */
	size_t n_had, natives; /* … and how many of these are in C */
};

/* Under the lock: takes all of its views from the worker. */
static void leave_all(struct views *v, struct worker_handle *h, const struct worker_end *end,
		      struct case_file *ret)
{
	*ret = (struct case_file){.had = malloc(max(v->n_entries, (size_t)1) * sizeof(struct entry *))};
	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		bool ran = end->view && e->id == end->view, heir = e->heir == h;
		if (heir) {
			entry_keep(v, e);
			/* It can't be taken over; where it is, it may be fine. */
			if (ran && end->phase != FOLD_FOLDING) {
				life_step(&e->life, LIFE_STAYS);
				continue;
			}
		}
		if (e->worker == h)
			leave(v, e);
		else if (!heir)
			continue;
		if (ran)
			ret->marked = e;
		ret->last = e;
		ret->natives += e->def->kind == REDUCER_C;
		if (ret->had)
			ret->had[ret->n_had++] = e;
	}
}

/* Under the lock. Those first who were not suspected yet: where there is not room for all, the others must not take it time and again. */
static void suspect_all(struct views *v, const struct case_file *f, const struct worker_end *end)
{
	bool any = end->blame == BLAME_MEMORY || f->natives == 0;

	for (unsigned again = 0; again <= 1; again++) {
		for (size_t i = 0; i < f->n_had; i++) {
			struct entry *e = f->had[i];
			if (!e || (!again && e->life.trials > 0))
				continue;
			f->had[i] = NULL;
			if (any || e->def->kind == REDUCER_C)
				suspect(v, e);
		}
	}
}

/* Under the lock. Whose fault it was; NULL: nobody's, or nobody's yet. */
static struct entry *find_culprit(struct views *v, struct worker_handle *h, unsigned which,
				  struct worker_end *end)
{
	struct entry *culprit = NULL;
	struct case_file f;

	leave_all(v, h, end, &f);
	if (f.marked && end->phase == FOLD_READING && !f.marked->no_snapshot) {
		/* It may still be right from the start. */
		f.marked->no_snapshot = true;
		end->blame = BLAME_OUTSIDE;
	} else if (f.marked && end->blame == BLAME_OUTSIDE && is_suspicious(f.marked, end)) {
		end->blame = BLAME_VIEW;
	}
	switch (judge(v, h, which, end, f.marked)) {
	case DEATH_NOTHING:
		break;
	case DEATH_GUILTY:
		culprit = f.marked ? f.marked : f.last;
		break;
	case DEATH_SUSPECT:
		suspect(v, f.marked);
		break;
	case DEATH_SUSPECT_ALL:
		suspect_all(v, &f, end);
		break;
	}
	free(f.had);
	if (culprit) {
		entry_break(v, culprit, end->why.text);
		acquit_all(v);
	}
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
	/* It may have come past what was the head when this turn began. */
	v->head = eventlog_head(v->log).off;
	if (expected)
		end.blame = BLAME_OUTSIDE;
	pthread_mutex_lock(&v->lock);
	v->workers[which] = NULL;
	v->pids[which] = 0;
	v->restarts += !expected;
	struct entry *culprit = find_culprit(v, h, which, &end);
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
