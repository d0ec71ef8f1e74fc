/* The life of a view as tables: every sound life with everything that can happen, a table for each of its
 * four parts, written down from what the words of life.h promise and not from life.c. */
#include "check.h"

#include "base/defs.h"
#include "model/views/life.h"

#define HOMES 6
#define STAGES 6
#define SAVES 3
#define MOVES 4
#define EVENTS (LIFE_HEIR_LOST + 1)

/* In which stages does it change something? */
enum when {
	ALWAYS,
	LIVING,   /* neither over nor broken */
	HOMELESS, /* … without a worker */
	HOUSED,   /* … with one */
	COMING,   /* … that has not said yet that it has it */
	STALLED,
	ASKED, /* a snapshot is asked for, of a worker */
	RUNS,  /* it is at the saver */
	PACKS, /* … and is to go to the main worker */
	PACKED,
	OFFERED,
	UNSAVED, /* nothing is asked for */
	ACQUIT,  /* all but those that are over need it not, and it does them no harm */
};

/* What becomes of a part: its value, or one of these. */
enum { SAME = -1, RULE = -2 /* told below */ };

struct row {
	enum life_event what;
	enum when when;
	int home, stage, save, move;
	unsigned duties; /* besides those of losing a worker, or what was packed */
};

/* `save` and `move` where it is the worker that is lost: LOST. */
#define LOST -3

static const struct row rows[] = {
    {LIFE_ENDS, ALWAYS, SAME, LIFE_GONE, LOST, MOVE_NOT, 0},
    {LIFE_BREAKS, LIVING, SAME, LIFE_BROKEN, LOST, MOVE_NOT, 0},
    {LIFE_SUSPECTED, LIVING, RULE, RULE, RULE, MOVE_NOT, 0},
    {LIFE_ACQUITTED, ACQUIT, RULE, SAME, SAME, SAME, 0},
    {LIFE_MISREAD, LIVING, SAME, SAME, SAME, SAME, 0},
    {LIFE_LACKS, LIVING, SAME, SAME, LOST, RULE, LIFE_DO_PAUSE},
    {LIFE_HAS_ALL, LIVING, SAME, SAME, SAME, SAME, LIFE_DO_EASE},
    {LIFE_GIVEN, HOMELESS, SAME, LIFE_COMING, SAME, SAME, 0},
    {LIFE_GIVEN_MAIN, HOMELESS, HOME_MAIN, LIFE_COMING, SAME, SAME, 0},
    {LIFE_ADDED, COMING, SAME, LIFE_FOLDING, SAME, SAME, LIFE_DO_EASE},
    {LIFE_LAGS, HOUSED, RULE, LIFE_HOMELESS, LOST, MOVE_NOT, 0},
    {LIFE_REFUSED, HOUSED, SAME, LIFE_HOMELESS, LOST, MOVE_NOT, LIFE_DO_PAUSE},
    {LIFE_STALLS, HOUSED, SAME, LIFE_STALLED, SAME, SAME, 0},
    {LIFE_RESUMES, STALLED, SAME, LIFE_FOLDING, SAME, SAME, 0},
    {LIFE_LOSES, HOUSED, SAME, LIFE_HOMELESS, LOST, MOVE_NOT, LIFE_DO_RECOUNT},
    {LIFE_SAVE_ASKED, UNSAVED, SAME, SAME, SAVE_ASKED, SAME, 0},
    {LIFE_MOVE_ASKED, UNSAVED, SAME, SAME, SAVE_ASKED, RULE, 0},
    {LIFE_UNANSWERED, ASKED, SAME, SAME, SAVE_NOT, RULE, 0},
    {LIFE_ANSWERED, ASKED, SAME, SAME, SAVE_RUNS, SAME, 0},
    {LIFE_PACKED, PACKS, SAME, SAME, SAME, MOVE_PACKED, 0},
    {LIFE_UNPACKED, PACKS, SAME, SAME, SAME, MOVE_NOT, 0},
    {LIFE_KEPT, ALWAYS, SAME, SAME, SAME, SAME, 0},
    {LIFE_SAVED, RUNS, SAME, SAME, SAVE_NOT, RULE, 0},
    {LIFE_OFFERED, PACKED, SAME, SAME, SAME, MOVE_OFFERED, 0},
    {LIFE_NOT_OFFERED, PACKED, SAME, SAME, SAME, SAME, LIFE_DO_REST},
    {LIFE_TAKEN, OFFERED, HOME_MAIN, LIFE_FOLDING, LOST, MOVE_NOT, LIFE_DO_INHERIT | LIFE_DO_EASE},
    {LIFE_DEFERRED, OFFERED, SAME, SAME, SAME, MOVE_PACKED, LIFE_DO_DROP_HEIR | LIFE_DO_REST},
    {LIFE_STAYS, HOUSED, RULE, SAME, SAME, MOVE_NOT, 0},
    {LIFE_HEIR_LOST, OFFERED, SAME, SAME, SAME, MOVE_NOT, 0},
};

static bool has_worker(const struct life *l)
{
	return l->stage == LIFE_COMING || l->stage == LIFE_FOLDING || l->stage == LIFE_STALLED;
}

static bool applies(enum when when, const struct life *l)
{
	bool housed = has_worker(l), packs = l->save == SAVE_RUNS && l->move == MOVE_MEANT;

	switch (when) {
	case ALWAYS:
	case ACQUIT:
		return true;
	case LIVING:
		return housed || l->stage == LIFE_HOMELESS;
	case HOMELESS:
		return l->stage == LIFE_HOMELESS;
	case HOUSED:
		return housed;
	case COMING:
		return l->stage == LIFE_COMING;
	case STALLED:
		return l->stage == LIFE_STALLED;
	case ASKED:
		return housed && l->save == SAVE_ASKED;
	case RUNS:
		return l->save == SAVE_RUNS;
	case PACKS:
		return housed && packs;
	case PACKED:
		return housed && l->move == MOVE_PACKED;
	case OFFERED:
		return housed && l->move == MOVE_OFFERED;
	case UNSAVED:
		return housed && l->save == SAVE_NOT;
	}
	abort();
}

static enum life_home home_after(enum life_event what, const struct life *l)
{
	switch (what) {
	case LIFE_SUSPECTED: /* the second time is for good */
		return l->home == HOME_ALONE || l->trials > 0 ? HOME_ALONE : HOME_TRIAL;
	case LIFE_ACQUITTED:
		return l->home == HOME_ALONE ? HOME_TRIAL : l->home;
	case LIFE_LAGS:
		return l->home == HOME_MAIN ? HOME_REBUILD : l->home;
	case LIFE_STAYS:
		return l->home == HOME_REBUILD ? HOME_STAYS : l->home == HOME_TRIAL ? HOME_ALONE : l->home;
	default:
		abort();
	}
}

static enum life_move move_after(enum life_event what, const struct life *l)
{
	bool leaves = l->home == HOME_REBUILD || l->home == HOME_TRIAL;

	if (what == LIFE_MOVE_ASKED)
		return leaves && l->move == MOVE_NOT ? MOVE_MEANT : l->move;
	/* What is meant to go goes no more where it is not saved; what is packed already does. */
	if (what == LIFE_LACKS && l->save != SAVE_ASKED)
		return l->move;
	return l->move == MOVE_MEANT ? MOVE_NOT : l->move;
}

static bool is_alone(const struct life *l)
{
	return l->home == HOME_TRIAL || l->home == HOME_ALONE || l->home == HOME_LARGE;
}

/* A suspect leaves the others; who is alone already has nobody to leave. */
static bool suspect_leaves(const struct life *l)
{
	return !has_worker(l) || !is_alone(l);
}

static struct life life_after(const struct row *row, const struct life *l)
{
	struct life after = *l;
	bool leaves = row->save == LOST || (row->save == RULE && suspect_leaves(l));

	if (row->home != SAME)
		after.home = row->home == RULE ? home_after(row->what, l) : (enum life_home)row->home;
	if (row->stage == RULE)
		after.stage = leaves ? LIFE_HOMELESS : l->stage;
	else if (row->stage != SAME)
		after.stage = (enum life_stage)row->stage;
	if (leaves)
		after.save = l->save == SAVE_ASKED ? SAVE_NOT : l->save;
	else if (row->save != SAME && row->save != RULE)
		after.save = (enum life_save)row->save;
	if (row->move != SAME)
		after.move = row->move == RULE ? move_after(row->what, l) : (enum life_move)row->move;
	if (row->what == LIFE_SUSPECTED)
		after.trials++;
	if (row->what == LIFE_ACQUITTED)
		after.trials = 0;
	after.from_start = (l->from_start || row->what == LIFE_MISREAD) && row->what != LIFE_KEPT;
	after.proven |= row->what == LIFE_TAKEN || (row->what == LIFE_ADDED && l->home == HOME_MAIN);
	return after;
}

static unsigned duties_after(const struct row *row, const struct life *l, const struct life *after)
{
	unsigned duties = row->duties;

	/* Whoever has a worker and has it no more is forgotten there; nothing packed is left lying. */
	if (has_worker(l) && !has_worker(after))
		duties |= LIFE_DO_FORGET | (row->what == LIFE_SUSPECTED ? LIFE_DO_RECOUNT : 0u);
	if (l->move >= MOVE_PACKED && after->move == MOVE_NOT && row->what != LIFE_TAKEN)
		duties |= LIFE_DO_DROP;
	return duties;
}

static void check_step(const struct row *row, const struct life *l)
{
	struct life got = *l, want = *l;
	unsigned wanted = 0, duties = life_step(&got, row->what);

	if (applies(row->when, l)) {
		want = life_after(row, l);
		wanted = duties_after(row, l, &want);
	}
	if (got.home != want.home || got.stage != want.stage || got.save != want.save ||
	    got.move != want.move || got.trials != want.trials || got.proven != want.proven ||
	    got.from_start != want.from_start || duties != wanted) {
		fprintf(stderr,
			"event %d with home %d stage %d save %d move %d trials %u:\n\tgot  home %d stage %d "
			"save %d "
			"move %d duties %u\n\twant home %d stage %d save %d move %d duties %u\n",
			row->what, l->home, l->stage, l->save, l->move, l->trials, got.home, got.stage,
			got.save, got.move, duties, want.home, want.stage, want.save, want.move, wanted);
		abort();
	}
	CHECK(life_is_sound(&got));
}

/* Every sound life; the number of them. */
static unsigned each_life(void check(const struct life *l))
{
	unsigned n = 0;

	for (unsigned i = 0; i < HOMES * STAGES * SAVES * MOVES * 3 * 2 * 2; i++) {
		struct life l = {
		    .home = (enum life_home)(i % HOMES),
		    .stage = (enum life_stage)(i / HOMES % STAGES),
		    .save = (enum life_save)(i / (HOMES * STAGES) % SAVES),
		    .move = (enum life_move)(i / (HOMES * STAGES * SAVES) % MOVES),
		    .trials = i / (HOMES * STAGES * SAVES * MOVES) % 3,
		    .proven = i / (HOMES * STAGES * SAVES * MOVES * 3) % 2,
		    .from_start = i / (HOMES * STAGES * SAVES * MOVES * 3 * 2),
		};
		if (!life_is_sound(&l))
			continue;
		check(&l);
		n++;
	}
	return n;
}

static void check_all_steps(const struct life *l)
{
	for (size_t i = 0; i < countof(rows); i++)
		check_step(&rows[i], l);
}

static void check_words(const struct life *l)
{
	CHECK_INT(life_is_alone(l), is_alone(l));
	CHECK_INT(life_has_worker(l), has_worker(l));
	CHECK_INT(life_moves(l), l->move != MOVE_NOT);
}

static void happen(struct life *l, const enum life_event *events, size_t n)
{
	for (size_t i = 0; i < n; i++)
		life_step(l, events[i]);
}
#define HAPPEN(l, ...)                                                                                       \
	happen(l, (const enum life_event[]){__VA_ARGS__},                                                    \
	       sizeof((const enum life_event[]){__VA_ARGS__}) / sizeof(enum life_event))

/* The lives that views mostly have, from end to end. */
static void test_stories(void)
{
	/* A new view catches up, and moves to the others. */
	struct life l = life_begin(false, false, false);
	CHECK(l.home == HOME_REBUILD && l.stage == LIFE_HOMELESS);
	HAPPEN(&l, LIFE_GIVEN, LIFE_ADDED, LIFE_MOVE_ASKED, LIFE_ANSWERED, LIFE_PACKED, LIFE_OFFERED,
	       LIFE_TAKEN, LIFE_SAVED);
	CHECK(l.home == HOME_MAIN && l.stage == LIFE_FOLDING && l.proven && l.save == SAVE_NOT);

	/* The second suspicion is for good, until somebody else was it. */
	HAPPEN(&l, LIFE_SUSPECTED, LIFE_GIVEN, LIFE_ADDED, LIFE_MOVE_ASKED, LIFE_ANSWERED, LIFE_PACKED,
	       LIFE_OFFERED, LIFE_TAKEN, LIFE_SAVED);
	CHECK(l.home == HOME_MAIN && l.trials == 1);
	HAPPEN(&l, LIFE_SUSPECTED, LIFE_GIVEN, LIFE_ADDED);
	CHECK(l.home == HOME_ALONE && l.stage == LIFE_FOLDING);
	/* Once more, because of a worker that was to have it next: it is where it can harm nobody. */
	CHECK_INT(life_step(&l, LIFE_SUSPECTED), 0);
	CHECK(l.home == HOME_ALONE && l.stage == LIFE_FOLDING);
	life_step(&l, LIFE_MOVE_ASKED);
	CHECK(!life_moves(&l));
	HAPPEN(&l, LIFE_ACQUITTED);
	CHECK(l.home == HOME_TRIAL && l.trials == 0);

	/* What the saver has packed for a worker that has died since is of no use. */
	l = life_begin(false, false, false);
	HAPPEN(&l, LIFE_GIVEN, LIFE_ADDED, LIFE_MOVE_ASKED, LIFE_ANSWERED, LIFE_LOSES, LIFE_GIVEN,
	       LIFE_PACKED);
	CHECK(l.move == MOVE_NOT && l.save == SAVE_RUNS);

	/* What was there at the start has a place with the others, if it is not too far behind. */
	l = life_begin(true, false, true);
	CHECK(l.home == HOME_MAIN && l.from_start);
	HAPPEN(&l, LIFE_GIVEN_MAIN, LIFE_LAGS);
	CHECK(l.home == HOME_REBUILD && l.stage == LIFE_HOMELESS);
	/* What is saved of this life may be used. */
	HAPPEN(&l, LIFE_KEPT);
	CHECK(!l.from_start);
	HAPPEN(&l, LIFE_BREAKS, LIFE_GIVEN, LIFE_ADDED);
	CHECK(l.stage == LIFE_BROKEN);

	/* What takes long to load is alone from the start, and stays that; an edit makes it like any new one.
	 */
	l = life_begin(true, true, false);
	CHECK(l.home == HOME_LARGE);
	HAPPEN(&l, LIFE_GIVEN, LIFE_ADDED, LIFE_MOVE_ASKED);
	CHECK(l.stage == LIFE_FOLDING && !life_moves(&l));
	HAPPEN(&l, LIFE_LOSES, LIFE_GIVEN, LIFE_ADDED);
	CHECK(l.home == HOME_LARGE && l.stage == LIFE_FOLDING);
	CHECK(life_begin(false, true, false).home == HOME_REBUILD);
}

int main(void)
{
	bool told[EVENTS] = {false};

	for (size_t i = 0; i < countof(rows); i++)
		told[rows[i].what] = true;
	CHECK_INT(countof(rows), EVENTS);
	for (size_t i = 0; i < EVENTS; i++)
		CHECK(told[i]);
	CHECK(each_life(check_all_steps) > 1000);
	each_life(check_words);
	test_stories();
	return 0;
}
