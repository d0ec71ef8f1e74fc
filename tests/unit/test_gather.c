/* How many a sync waits for, from what came together each time. */
#include "check.h"
#include "fs/log/gather.h"

#include <stddef.h>

#include "base/defs.h"

static void note(struct gather *g, unsigned n, unsigned times)
{
	while (times-- > 0)
		gather_note(g, n, 0);
}

/* Writers, each of whom comes once between two syncs if it is waited for: how many of so many rounds waited
 * for one who does not exist. */
static unsigned rounds(struct gather *g, unsigned writers, unsigned n)
{
	unsigned in_vain = 0;

	for (unsigned i = 0; i < n; i++) {
		in_vain += gather_wanted(g) > writers;
		gather_note(g, writers, 0);
	}
	return in_vain;
}

static void test_alone(void)
{
	struct gather g = {0};

	note(&g, 1, 1000);
	CHECK_INT(gather_wanted(&g), 0);
	/* Two who meet are no crowd. */
	note(&g, 2, 1000);
	CHECK_INT(gather_wanted(&g), 0);
}

/* Who waits for nothing is no crowd; with two who do they are. */
static void test_others(void)
{
	struct gather g = {0};

	gather_note(&g, 0, GATHER_MOST);
	CHECK_INT(gather_wanted(&g), 0);
	/* It may be one program, that has written and waits now. */
	gather_note(&g, 1, GATHER_MOST);
	CHECK_INT(gather_wanted(&g), 0);
	gather_note(&g, 2, 1);
	CHECK_INT(gather_wanted(&g), 3);
}

/* Three who meet now and then, but do not come when they are waited for: that is tried ever more seldom. */
static void test_false_alarms(void)
{
	struct gather g = {0};
	unsigned in_vain = 0;

	for (int i = 0; i < 1000; i++) {
		gather_note(&g, 3, 0);
		in_vain += gather_wanted(&g) > 0;
		gather_note(&g, 1, 0);
		CHECK_INT(gather_wanted(&g), 0);
	}
	CHECK(in_vain < 30);
}

static void test_crowd(void)
{
	struct gather g = {0};

	note(&g, 3, 1);
	CHECK_INT(gather_wanted(&g), 3);
	/* It asks for more as long as they come, up to a bound. */
	for (unsigned i = 0; i < 500; i++)
		gather_note(&g, gather_wanted(&g), 0);
	CHECK_INT(gather_wanted(&g), GATHER_MOST);
	/* One that is late by chance takes little from it; */
	gather_note(&g, GATHER_MOST - 3, 0);
	CHECK_INT(gather_wanted(&g), GATHER_MOST - 1);
	/* when all but two have gone, one sync has waited in vain, and no other. */
	gather_note(&g, 2, 0);
	CHECK_INT(gather_wanted(&g), 0);
	note(&g, 1, 10);
	CHECK_INT(gather_wanted(&g), 0);
}

/* It finds out how many there are, and seldom waits for more. */
static void test_so_many(void)
{
	for (unsigned writers = 3; writers < GATHER_MOST; writers++) {
		struct gather g = {0};
		rounds(&g, writers, 500);
		CHECK(rounds(&g, writers, 10000) <= 10000 / 256);
		CHECK(gather_wanted(&g) == writers || gather_wanted(&g) == writers + 1);
		rounds(&g, 1, 2);
		CHECK_INT(gather_wanted(&g), 0);
	}
}

int main(void)
{
	test_alone();
	test_others();
	test_false_alarms();
	test_crowd();
	test_so_many();
	return 0;
}
