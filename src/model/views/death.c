#include <string.h>

#include "model/views/keeper_impl.h"
#include "model/views/verdict.h"

#define STRANGERS                                                                                            \
	3 /* so often may somebody else kill a worker on the same event before the view is held responsible  \
	   */

/* Has somebody else ended workers on this very event so often that it is the event? A kernel that is short of
 * memory does. */
static bool is_suspicious(struct resident *r, const struct worker_end *end)
{
	if (end->phase != FOLD_FOLDING)
		return false;
	r->suspicions = r->suspicions > 0 && r->suspect_off == end->off ? r->suspicions + 1 : 1;
	r->suspect_off = end->off;
	return r->suspicions >= STRANGERS;
}

unsigned keeper_free_solo(const struct keeper *k)
{
	bool taken[WORKERS] = {false};

	for (size_t i = 0; i < k->n_residents; i++)
		if (life_is_alone(&k->residents[i]->life) && k->residents[i]->life.stage != LIFE_BROKEN)
			taken[k->residents[i]->solo] = true;
	for (unsigned i = SOLO; i < WORKERS; i++)
		if (!taken[i] && !k->crew.workers[i])
			return i;
	return 0;
}

/* It goes into a worker of its own. */
static void suspect(struct keeper *k, struct resident *r)
{
	unsigned solo = life_is_alone(&r->life) ? r->solo : keeper_free_solo(k);

	if (!solo || r->life.stage == LIFE_BROKEN)
		return;
	r->solo = solo;
	r->trial_off = k->head; /* where it ended lies before that, whatever the mark says */
	resident_happens(k, r, LIFE_SUSPECTED);
}

/* An end that has a name: the others have nothing to prove any more. */
static void acquit_all(struct keeper *k)
{
	for (size_t i = 0; i < k->n_residents; i++)
		resident_happens(k, k->residents[i], LIFE_ACQUITTED);
}

static bool is_native(const struct resident *r)
{
	return reducer_host(r->def->kind)->native;
}

static enum death_verdict judge(const struct keeper *k, const struct worker_handle *h,
				const struct worker_end *end, const struct resident *marked)
{
	bool memory = end->blame == BLAME_MEMORY;
	const struct death d = {
	    .blame = end->blame,
	    .marked = marked,
	    .marked_native = marked && (memory || is_native(marked)),
	    .trials = marked ? marked->life.trials : 0,
	    .natives = memory ? h->given : h->natives,
	    .alone = h->place >= SOLO,
	    .room = keeper_free_solo(k) != 0,
	};

	return death_judge(&d);
}

/* What is known of one worker's end. */
struct case_file {
	struct resident *marked; /* the view that was running; NULL: none of its */
	struct resident *last;   /* one that it had */
	struct resident **had;   /* all that it had; NULL: no memory for the list */
	size_t n_had, natives;   /* … and how many of these are in C */
};

/* Its views lose it. */
static void leave_all(struct keeper *k, const struct worker_handle *h, const struct worker_end *end,
		      struct case_file *ret)
{
	*ret = (struct case_file){.had = malloc(max(k->n_residents, (size_t)1) * sizeof(struct resident *))};
	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		bool ran = end->view && r->id == end->view, heir = r->heir == h;
		/* It can't be taken over; where it is, it may be fine. */
		bool stays = heir && ran && end->phase != FOLD_FOLDING;
		if (heir)
			resident_happens(k, r, stays ? LIFE_STAYS : LIFE_HEIR_LOST);
		if (stays || (!heir && r->worker != h))
			continue;
		if (r->worker == h)
			resident_happens(k, r, LIFE_LOSES);
		if (ran)
			ret->marked = r;
		ret->last = r;
		ret->natives += is_native(r);
		if (ret->had)
			ret->had[ret->n_had++] = r;
	}
}

/* Those first who were not suspected yet: where there is not room for all, the others must not take it time
 * and again. */
static void suspect_all(struct keeper *k, const struct case_file *f, const struct worker_end *end)
{
	bool any = end->blame == BLAME_MEMORY || f->natives == 0;

	for (unsigned again = 0; again <= 1; again++) {
		for (size_t i = 0; i < f->n_had; i++) {
			struct resident *r = f->had[i];
			if (!r || (!again && r->life.trials > 0))
				continue;
			f->had[i] = NULL;
			if (any || is_native(r))
				suspect(k, r);
		}
	}
}

/* Whose fault it was; NULL: nobody's, or nobody's yet. */
static struct resident *find_culprit(struct keeper *k, const struct worker_handle *h, struct worker_end *end)
{
	struct resident *culprit = NULL;
	struct case_file f;

	leave_all(k, h, end, &f);
	if (f.marked && end->phase == FOLD_READING && !f.marked->life.from_start) {
		/* It may still be right from the start. */
		resident_happens(k, f.marked, LIFE_MISREAD);
		end->blame = BLAME_OUTSIDE;
	} else if (f.marked && end->blame == BLAME_OUTSIDE && is_suspicious(f.marked, end)) {
		end->blame = BLAME_VIEW;
	}
	switch (judge(k, h, end, f.marked)) {
	case DEATH_NOTHING:
		break;
	case DEATH_GUILTY:
		culprit = f.marked ? f.marked : f.last;
		break;
	case DEATH_SUSPECT:
		suspect(k, f.marked);
		break;
	case DEATH_SUSPECT_ALL:
		suspect_all(k, &f, end);
		break;
	}
	free(f.had);
	if (culprit) {
		resident_breaks(k, culprit, end->why.text);
		acquit_all(k);
	}
	return culprit;
}

void keeper_ended(void *arg, unsigned which)
{
	struct keeper *k = arg;
	struct worker_end end;

	struct worker_handle *h = crew_reap(&k->crew, which, &end);
	/* It may have come past what was the head when this turn began. */
	k->head = eventlog_head(k->options.log).off;
	const struct resident *culprit = find_culprit(k, h, &end);
	if (culprit) {
		keeper_report(k, "the view %s is broken: %s", board_name(culprit->view), end.why.text);
	} else if (!h->stopping) {
		keeper_report(k, "a fold worker has ended (%s); it is started again", end.why.text);
		crew_note_death(&k->crew, which);
	}
	worker_handle_unref(h);
}
