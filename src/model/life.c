#include "model/life.h"

static enum life_stage next(const struct life *l, enum life_event what)
{
	switch (what) {
	case LIFE_FOUND:
		return LIFE_MAIN;
	case LIFE_RENEWED:
		return LIFE_REBUILD;
	case LIFE_TAKEN:
		return l->stage == LIFE_ALONE ? LIFE_ALONE : LIFE_MAIN;
	case LIFE_LAGS:
		return l->stage == LIFE_MAIN ? LIFE_REBUILD : l->stage;
	case LIFE_STAYS:
		return l->stage == LIFE_REBUILD ? LIFE_SETTLED
		       : l->stage == LIFE_TRIAL ? LIFE_ALONE
						: l->stage;
	case LIFE_SUSPECTED:
		return l->stage == LIFE_ALONE || l->trials > 0 ? LIFE_ALONE : LIFE_TRIAL;
	case LIFE_ACQUITTED:
		return l->stage == LIFE_ALONE ? LIFE_TRIAL : l->stage;
	}
	return l->stage;
}

void life_step(struct life *l, enum life_event what)
{
	l->stage = next(l, what);
	if (what == LIFE_SUSPECTED)
		l->trials++;
	else if (what == LIFE_FOUND || what == LIFE_RENEWED || what == LIFE_ACQUITTED)
		l->trials = 0;
}

enum death_verdict life_judge(const struct death *d)
{
	if (d->blame == BLAME_OUTSIDE)
		return DEATH_NOTHING;
	if (d->alone || (d->blame == BLAME_PROVEN && d->marked))
		return DEATH_GUILTY;
	if (d->blame == BLAME_UNKNOWN || !d->marked)
		return d->room ? DEATH_SUSPECT_ALL : DEATH_NOTHING;
	/* In harmless company it can only have been itself; and where there is no room for a trial the mark has to do. */
	if (d->natives == (d->marked_native ? 1u : 0u) || !d->room)
		return DEATH_GUILTY;
	return d->trials == 0 ? DEATH_SUSPECT : DEATH_SUSPECT_ALL;
}
