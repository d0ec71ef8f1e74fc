/* Whose turn it is to fold, as a table; and how long that takes with views that take so many ns a byte. */
#include "check.h"

#include "base/defs.h"
#include "model/worker/pace.h"

#define MIB (1ull << 20)
#define VIEWS 4

struct row {
	const char *what;
	struct pacer views[VIEWS];
	size_t n;
	uint64_t head;
	bool far_due;
	const char *chosen; /* a digit for each; empty: none */
	struct pace_pass pass;
};

#define SLOW 50000
#define SLOWER 5000000

static const struct row rows[] = {
    {"nobody", {{0}}, 0, 10, true, "", {0}},
    {"all at the head", {{.off = 10}, {.off = 10}}, 2, 10, true, "", {0}},
    {"together", {{.off = 5}, {.off = 5}}, 2, 10, true, "01", {5, 10, false, false}},
    {"one rests", {{.off = 5}, {.off = 5, .rests = true}}, 2, 10, true, "0", {5, 10, false, false}},
    {"those near the head first",
     {{.off = 5}, {.off = 8 * MIB}},
     2,
     9 * MIB,
     false,
     "1",
     {8 * MIB, 9 * MIB, false, false}},
    {"then those who lag, as far as the others",
     {{.off = 5}, {.off = 8 * MIB}},
     2,
     9 * MIB,
     true,
     "0",
     {5, 8 * MIB, true, true}},
    {"who lags alone", {{.off = 5}, {.off = 9 * MIB}}, 2, 9 * MIB, false, "0", {5, 9 * MIB, false, false}},
    {"who is a little behind catches up", {{.off = 5}, {.off = 7}}, 2, 10, false, "0", {5, 7, false, false}},
    {"the quick first", {{.off = 5}, {.off = 5, .cost = SLOW}}, 2, 10, false, "0", {5, 10, false, false}},
    {"then the slow", {{.off = 5}, {.off = 5, .cost = SLOW}}, 2, 10, true, "1", {5, 10, true, true}},
    {"the slow by itself", {{.off = 10}, {.off = 5, .cost = SLOW}}, 2, 10, false, "1", {5, 10, false, false}},
    {"the slow does not wait for the slower",
     {{.off = 5, .cost = SLOW}, {.off = 5, .cost = SLOWER}, {.off = 5, .cost = SLOW}},
     3,
     10,
     false,
     "02",
     {5, 10, false, false}},
    {"of the others those at the lowest place",
     {{.off = 5, .cost = SLOW}, {.off = 9}, {.off = 3, .cost = SLOWER}},
     3,
     10,
     true,
     "2",
     {3, 5, true, true}},
    {"one is measured alone",
     {{.off = 5}, {.off = 5, .unsure = true}, {.off = 5, .unsure = true}},
     3,
     10,
     false,
     "1",
     {5, 10, false, true}},
};

static void check_row(const struct row *row)
{
	struct pacer views[VIEWS], *all[VIEWS];
	char chosen[VIEWS + 1] = "";
	struct pace_pass pass = {0};
	size_t len = 0;

	for (size_t i = 0; i < row->n; i++) {
		views[i] = row->views[i];
		all[i] = &views[i];
	}
	bool any = pace_choose(all, row->n, row->head, row->far_due, &pass);
	for (size_t i = 0; i < row->n && any; i++)
		if (views[i].chosen)
			chosen[len++] = (char)('0' + i);
	if (strcmp(chosen, row->chosen) != 0 ||
	    (any && memcmp(&pass, &row->pass, offsetof(struct pace_pass, far)) != 0) ||
	    pass.far != row->pass.far || pass.briefly != row->pass.briefly) {
		fprintf(stderr, "%s: %s from %" PRIu64 " to %" PRIu64 "%s%s\n", row->what, chosen, pass.off,
			pass.limit, pass.far ? " far" : "", pass.briefly ? " briefly" : "");
		abort();
	}
}

/* A worker in which time passes as it is told. */
struct model {
	struct pacer views[VIEWS], *all[VIEWS];
	uint64_t ns_per_byte[VIEWS], at_head[VIEWS], now, head;
	size_t n;
};

#define PARSE 2 /* ns a byte */
#define TURN_NS 20000000
#define FAR_TURN_NS 5000000

static void run(struct model *m)
{
	struct pace_pass pass;
	uint64_t wait = 0;

	for (size_t i = 0; i < m->n; i++)
		m->all[i] = &m->views[i];
	while (pace_choose(m->all, m->n, m->head, wait == 0, &pass)) {
		uint64_t each = PARSE, bytes = min(pass.limit - pass.off, pass.briefly ? MIB / 8 : MIB);
		for (size_t i = 0; i < m->n; i++)
			each += m->views[i].chosen ? m->ns_per_byte[i] : 0;
		bytes = min(bytes, (pass.far ? FAR_TURN_NS : TURN_NS) / each);
		uint64_t took = each * bytes;
		m->now += took;
		pace_note(m->all, m->n, bytes, took);
		wait = pass.far ? 3 * took : wait - min(took, wait);
		for (size_t i = 0; i < m->n; i++) {
			m->views[i].off += m->views[i].chosen ? bytes : 0;
			if (m->views[i].off == m->head && m->at_head[i] == 0)
				m->at_head[i] = m->now;
		}
	}
}

/* Two quick ones, one in jq, and one that is slower by far: the quick ones are there nearly as soon as
 * without the others, and no more is parsed than has to be. */
static void test_the_quick_are_not_held_up(void)
{
	struct model m = {.ns_per_byte = {1, 45, 2, 1000}, .n = 4, .head = 256 * MIB};
	const uint64_t quick = (PARSE + 1 + 2) * m.head,
		       work = quick + (PARSE + 45) * m.head + (PARSE + 1000) * m.head;

	run(&m);
	CHECK(m.at_head[0] < 3 * quick / 2 && m.at_head[2] < 3 * quick / 2);
	CHECK(m.at_head[1] < 2 * (quick + (PARSE + 45) * m.head));
	CHECK(m.now < work + work / 20);
}

/* What is equally quick goes in one pass, though it was measured in between. */
static void test_the_quick_stay_together(void)
{
	struct model m = {.ns_per_byte = {3, 3, 3, 3}, .n = 4, .head = 256 * MIB};

	run(&m);
	CHECK(m.now < (PARSE + 12) * (m.head + 8 * MIB));
}

int main(void)
{
	for (size_t i = 0; i < countof(rows); i++)
		check_row(&rows[i]);
	test_the_quick_are_not_held_up();
	test_the_quick_stay_together();
	return 0;
}
