/* Every sort of end of a worker, as a table. */
#include "check.h"

#include "model/views/verdict.h"

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
		enum death_verdict v = death_judge(&d);
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
	test_ends();
	return 0;
}
