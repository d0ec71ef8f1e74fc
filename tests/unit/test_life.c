/* Where views live, as tables: every stage with everything that can happen, and every sort of end of a worker. */
#include "check.h"

#include "base/defs.h"
#include "model/life.h"

#define STAGES 5

static void test_steps(void)
{
	static const struct {
		enum life_event what;
		enum life_stage next[STAGES]; /* from each, in the order of the enum; not suspected before */
	} rows[] = {
	    {LIFE_FOUND, {LIFE_MAIN, LIFE_MAIN, LIFE_MAIN, LIFE_MAIN, LIFE_MAIN}},
	    {LIFE_RENEWED, {LIFE_REBUILD, LIFE_REBUILD, LIFE_REBUILD, LIFE_REBUILD, LIFE_REBUILD}},
	    {LIFE_TAKEN, {LIFE_MAIN, LIFE_MAIN, LIFE_MAIN, LIFE_MAIN, LIFE_ALONE}},
	    {LIFE_LAGS, {LIFE_REBUILD, LIFE_REBUILD, LIFE_SETTLED, LIFE_TRIAL, LIFE_ALONE}},
	    {LIFE_STAYS, {LIFE_MAIN, LIFE_SETTLED, LIFE_SETTLED, LIFE_ALONE, LIFE_ALONE}},
	    {LIFE_SUSPECTED, {LIFE_TRIAL, LIFE_TRIAL, LIFE_TRIAL, LIFE_TRIAL, LIFE_ALONE}},
	    {LIFE_ACQUITTED, {LIFE_MAIN, LIFE_REBUILD, LIFE_SETTLED, LIFE_TRIAL, LIFE_TRIAL}},
	};

	for (size_t i = 0; i < countof(rows); i++) {
		for (unsigned stage = 0; stage < STAGES; stage++) {
			struct life l = {.stage = (enum life_stage)stage};
			life_step(&l, rows[i].what);
			CHECK_INT(l.stage, rows[i].next[stage]);
			CHECK_INT(l.trials, rows[i].what == LIFE_SUSPECTED ? 1 : 0);
			CHECK_INT(life_is_alone(&l), l.stage == LIFE_TRIAL || l.stage == LIFE_ALONE);
		}
	}
	/* The second time is for good, until somebody else was it. */
	struct life l = {.stage = LIFE_MAIN};
	life_step(&l, LIFE_SUSPECTED);
	life_step(&l, LIFE_TAKEN);
	CHECK_INT(l.stage, LIFE_MAIN);
	life_step(&l, LIFE_SUSPECTED);
	CHECK_INT(l.stage, LIFE_ALONE);
	life_step(&l, LIFE_TAKEN);
	CHECK_INT(l.stage, LIFE_ALONE);
	life_step(&l, LIFE_ACQUITTED);
	life_step(&l, LIFE_TAKEN);
	CHECK(l.stage == LIFE_MAIN && l.trials == 0);
}

/* All 5 * 2^4 * 3 * 3 ends, against the rules in words. */
static void test_ends(void)
{
	for (unsigned n = 0; n < 5 * 16 * 9; n++) {
		struct death d = {
		    .blame = (enum worker_blame)(n % 5),
		    .marked = n / 5 % 2,
		    .marked_native = n / 10 % 2,
		    .alone = n / 20 % 2,
		    .room = n / 40 % 2,
		    .trials = n / 80 % 3,
		    .natives = n / 240 % 3,
		};
		if (d.marked_native && (!d.marked || d.natives == 0))
			continue;
		unsigned others = d.natives - d.marked_native;
		enum death_verdict v = life_judge(&d);
		if (d.blame == BLAME_OUTSIDE) /* is nobody's fault */
			CHECK_INT(v, DEATH_NOTHING);
		else if (d.alone) /* there is nobody else */
			CHECK_INT(v, DEATH_GUILTY);
		else if (d.blame == BLAME_PROVEN && d.marked)
			CHECK_INT(v, DEATH_GUILTY);
		else if (d.blame != BLAME_UNKNOWN && d.marked && others == 0) /* nobody else could */
			CHECK_INT(v, DEATH_GUILTY);
		else if (v == DEATH_GUILTY) /* in company only where there is no other way */
			CHECK(!d.room && d.marked && d.blame != BLAME_UNKNOWN);
		else if (v == DEATH_SUSPECT) /* once */
			CHECK(d.room && d.marked && d.trials == 0 && d.blame != BLAME_UNKNOWN);
		else if (v == DEATH_SUSPECT_ALL)
			CHECK(d.room && (d.trials > 0 || !d.marked || d.blame == BLAME_UNKNOWN));
		else
			CHECK(!d.room);
	}
}

int main(void)
{
	test_steps();
	test_ends();
	return 0;
}
