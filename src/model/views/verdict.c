#include "model/views/verdict.h"

enum death_verdict death_judge(const struct death *d)
{
	if (d->blame == BLAME_OUTSIDE)
		return DEATH_NOTHING;
	if (d->alone || (d->blame == BLAME_PROVEN && d->marked))
		return DEATH_GUILTY;
	if (d->blame == BLAME_UNKNOWN || !d->marked)
		return d->room ? DEATH_SUSPECT_ALL : DEATH_NOTHING;
	/* In harmless company it can only have been itself; and where there is no room for a trial the mark
	 * has to do. */
	if (d->natives == (d->marked_native ? 1u : 0u) || !d->room)
		return DEATH_GUILTY;
	return d->trials == 0 ? DEATH_SUSPECT : DEATH_SUSPECT_ALL;
}
