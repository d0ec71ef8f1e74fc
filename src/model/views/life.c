#include "model/views/life.h"

struct life life_begin(bool found, bool large, bool from_start)
{
	return (struct life){
	    .home = !found  ? HOME_REBUILD
		    : large ? HOME_LARGE
			    : HOME_MAIN,
	    .stage = LIFE_HOMELESS,
	    .from_start = from_start,
	};
}

bool life_is_sound(const struct life *l)
{
	bool leaves = l->home == HOME_REBUILD || l->home == HOME_TRIAL;

	if (!life_has_worker(l) && (l->save == SAVE_ASKED || life_moves(l)))
		return false;
	if (l->move == MOVE_MEANT && l->save == SAVE_NOT)
		return false;
	return !life_moves(l) || leaves;
}

/* Nothing is handed over, for now. */
static unsigned keep(struct life *l)
{
	bool packed = l->move >= MOVE_PACKED;

	l->move = MOVE_NOT;
	return packed ? LIFE_DO_DROP : 0;
}

/* It has no worker any more. What is at the saver stays there. */
static unsigned leave(struct life *l, enum life_stage stage)
{
	unsigned duties = keep(l) | (life_has_worker(l) ? LIFE_DO_FORGET : 0);

	if (l->save == SAVE_ASKED)
		l->save = SAVE_NOT;
	l->stage = stage;
	return duties;
}

static unsigned unanswered(struct life *l)
{
	if (l->save != SAVE_ASKED)
		return 0;
	l->save = SAVE_NOT;
	return l->move == MOVE_MEANT ? keep(l) : 0;
}

static unsigned all_of_it(struct life *l, enum life_event what)
{
	unsigned duties = 0;

	switch (what) {
	case LIFE_ENDS:
		return leave(l, LIFE_GONE);
	case LIFE_BREAKS:
		return leave(l, LIFE_BROKEN);
	case LIFE_SUSPECTED:
		/* Who is alone already stays there: what a worker still says of an earlier time with it would
		 * be taken for what can't be. */
		duties = life_is_alone(l) && life_has_worker(l) ? keep(l) : leave(l, LIFE_HOMELESS);
		l->home = l->home == HOME_ALONE || l->trials > 0 ? HOME_ALONE : HOME_TRIAL;
		l->trials++;
		return duties & LIFE_DO_FORGET ? duties | LIFE_DO_RECOUNT : duties;
	case LIFE_ACQUITTED:
		if (l->home == HOME_ALONE)
			l->home = HOME_TRIAL;
		l->trials = 0;
		return 0;
	case LIFE_MISREAD:
		l->from_start = true;
		return 0;
	case LIFE_LACKS:
		return unanswered(l) | LIFE_DO_PAUSE;
	case LIFE_HAS_ALL:
		return LIFE_DO_EASE;
	default:
		return 0;
	}
}

static unsigned of_its_worker(struct life *l, enum life_event what)
{
	bool comes = l->stage == LIFE_COMING;

	switch (what) {
	case LIFE_GIVEN:
	case LIFE_GIVEN_MAIN:
		if (l->stage != LIFE_HOMELESS)
			return 0;
		if (what == LIFE_GIVEN_MAIN)
			l->home = HOME_MAIN;
		l->stage = LIFE_COMING;
		return 0;
	case LIFE_ADDED:
		if (!comes)
			return 0;
		l->stage = LIFE_FOLDING;
		l->proven |= l->home == HOME_MAIN;
		return LIFE_DO_EASE;
	case LIFE_LAGS:
		if (l->home == HOME_MAIN)
			l->home = HOME_REBUILD;
		return leave(l, LIFE_HOMELESS);
	case LIFE_REFUSED:
		return leave(l, LIFE_HOMELESS) | LIFE_DO_PAUSE;
	case LIFE_STALLS:
		l->stage = LIFE_STALLED;
		return 0;
	case LIFE_RESUMES:
		if (l->stage == LIFE_STALLED)
			l->stage = LIFE_FOLDING;
		return 0;
	case LIFE_LOSES:
		return leave(l, LIFE_HOMELESS) | LIFE_DO_RECOUNT;
	default:
		return 0;
	}
}

/* Has the state come where it was on its way to? */
static unsigned of_its_state(struct life *l, enum life_event what)
{
	bool leaves = l->home == HOME_REBUILD || l->home == HOME_TRIAL;
	bool packs = l->save == SAVE_RUNS && l->move == MOVE_MEANT;

	switch (what) {
	case LIFE_SAVE_ASKED:
	case LIFE_MOVE_ASKED:
		if (l->save != SAVE_NOT)
			return 0;
		l->save = SAVE_ASKED;
		if (what == LIFE_MOVE_ASKED && leaves && l->move == MOVE_NOT)
			l->move = MOVE_MEANT;
		return 0;
	case LIFE_UNANSWERED:
		return unanswered(l);
	case LIFE_ANSWERED:
		if (l->save == SAVE_ASKED)
			l->save = SAVE_RUNS;
		return 0;
	case LIFE_PACKED:
		if (packs)
			l->move = MOVE_PACKED;
		return 0;
	case LIFE_UNPACKED:
		return packs ? keep(l) : 0;
	case LIFE_KEPT:
		l->from_start = false;
		return 0;
	case LIFE_SAVED:
		if (l->save != SAVE_RUNS)
			return 0;
		l->save = SAVE_NOT;
		return l->move == MOVE_MEANT ? keep(l) : 0;
	default:
		return 0;
	}
}

static unsigned of_its_heir(struct life *l, enum life_event what)
{
	bool offered = l->move == MOVE_OFFERED;
	unsigned duties;

	switch (what) {
	case LIFE_OFFERED:
		if (l->move == MOVE_PACKED)
			l->move = MOVE_OFFERED;
		return 0;
	case LIFE_NOT_OFFERED:
		return l->move == MOVE_PACKED ? LIFE_DO_REST : 0;
	case LIFE_TAKEN:
		if (!offered)
			return 0;
		l->home = HOME_MAIN;
		l->stage = LIFE_FOLDING;
		l->move = MOVE_NOT;
		l->proven = true;
		if (l->save == SAVE_ASKED)
			l->save = SAVE_NOT;
		return LIFE_DO_INHERIT | LIFE_DO_EASE;
	case LIFE_DEFERRED:
		if (!offered)
			return 0;
		l->move = MOVE_PACKED;
		return LIFE_DO_DROP_HEIR | LIFE_DO_REST;
	case LIFE_STAYS:
		duties = keep(l);
		l->home = l->home == HOME_REBUILD ? HOME_STAYS : l->home == HOME_TRIAL ? HOME_ALONE : l->home;
		return duties;
	case LIFE_HEIR_LOST:
		return offered ? keep(l) : 0;
	default:
		return 0;
	}
}

unsigned life_step(struct life *l, enum life_event what)
{
	bool over = l->stage == LIFE_GONE || l->stage == LIFE_BROKEN;

	if (what == LIFE_ENDS || (!over && what < LIFE_GIVEN))
		return all_of_it(l, what);
	if (what == LIFE_ACQUITTED)
		return all_of_it(l, what);
	/* What is at the saver is written whatever has become of it. */
	if (what == LIFE_SAVED || what == LIFE_KEPT)
		return of_its_state(l, what);
	if (over || (!life_has_worker(l) && what > LIFE_GIVEN_MAIN))
		return 0;
	if (what < LIFE_SAVE_ASKED)
		return of_its_worker(l, what);
	return what < LIFE_OFFERED ? of_its_state(l, what) : of_its_heir(l, what);
}
