/* What is held against a worker, as a table: looks at intervals of 100 ms, and after how many of them the
 * verdict falls. */
#include "check.h"

#include "model/link/patience.h"

#define MS 1000000ull
#define NEVER 100000

struct row {
	const char *what;
	struct patience_limits limits;
	enum fold_phase phase;
	bool same, asked;
	char state;
	unsigned cpu_ms; /* of each 100 */
	unsigned views;
	enum patience_verdict verdict;
	unsigned looks;
};

static const struct row rows[] = {
    {"a loop", {1000, 0}, FOLD_FOLDING, true, true, 'R', 100, 4, PATIENCE_BUSY, 10},
    {"a loop that has half a processor", {1000, 0}, FOLD_FOLDING, true, true, 'R', 50, 4, PATIENCE_BUSY, 20},
    {"one that gets no processor", {1000, 0}, FOLD_FOLDING, true, true, 'R', 0, 4, PATIENCE_WAIT, NEVER},
    {"slow loading", {1000, 0}, FOLD_LOADING, true, true, 'R', 100, 4, PATIENCE_BUSY, 100},
    {"slow writing, with a short limit", {100, 0}, FOLD_WRITING, true, true, 'R', 100, 4, PATIENCE_BUSY, 100},
    {"event after event", {1000, 0}, FOLD_FOLDING, false, false, 'R', 100, 4, PATIENCE_WAIT, NEVER},
    {"asleep in an event", {1000, 0}, FOLD_FOLDING, true, true, 'S', 0, 4, PATIENCE_BLOCKED, 300},
    {"in the disk", {1000, 0}, FOLD_FOLDING, true, true, 'D', 0, 4, PATIENCE_BLOCKED, 300},
    {"asleep, with a limit", {1000, 500}, FOLD_FOLDING, true, true, 'S', 0, 4, PATIENCE_BLOCKED, 5},
    {"asleep, and now and then awake", {1000, 0}, FOLD_FOLDING, true, true, 'S', 10, 4, PATIENCE_BUSY, 100},
    {"stopped in an event", {1000, 500}, FOLD_FOLDING, true, true, 'T', 0, 4, PATIENCE_STOPPED, 30},
    {"stopped between events", {1000, 0}, FOLD_IDLE, true, true, 'T', 0, 4, PATIENCE_STOPPED, 30},
    {"stopped, and nobody wants it", {1000, 0}, FOLD_IDLE, true, false, 'T', 0, 4, PATIENCE_WAIT, NEVER},
    {"in a debugger", {1000, 500}, FOLD_FOLDING, true, true, 't', 0, 4, PATIENCE_WAIT, NEVER},
    {"silent between events", {1000, 0}, FOLD_IDLE, true, true, 'S', 0, 4, PATIENCE_SILENT, 100},
    {"the disk does not answer", {1000, 0}, FOLD_IDLE, true, true, 'D', 0, 4, PATIENCE_WAIT, NEVER},
    {"the log does not come", {1000, 0}, FOLD_DISK, true, true, 'S', 0, 4, PATIENCE_DISK, 300},
    {"the log comes slowly", {1000, 0}, FOLD_DISK, false, true, 'S', 0, 4, PATIENCE_WAIT, NEVER},
    {"the log does not come, and nobody wants it",
     {1000, 0},
     FOLD_DISK,
     true,
     false,
     'S',
     0,
     4,
     PATIENCE_WAIT,
     NEVER},
    {"the disk does not answer for the log",
     {1000, 0},
     FOLD_DISK,
     true,
     true,
     'D',
     0,
     4,
     PATIENCE_WAIT,
     NEVER},
    {"the log is read in a loop", {1000, 0}, FOLD_DISK, true, true, 'R', 100, 4, PATIENCE_SILENT, 100},
    {"silent, in a loop", {1000, 0}, FOLD_IDLE, true, true, 'R', 100, 4, PATIENCE_SILENT, 100},
    {"silent, and it gets no processor", {1000, 0}, FOLD_IDLE, true, true, 'R', 0, 4, PATIENCE_WAIT, NEVER},
    {"silent, without limits", {0, 0}, FOLD_IDLE, true, true, 'S', 0, 4, PATIENCE_SILENT, 100},
    {"it never answers, whatever its mark says",
     {1000, 0},
     FOLD_FOLDING,
     false,
     true,
     'R',
     100,
     4,
     PATIENCE_SILENT,
     500},
    {"the same with many views", {1000, 0}, FOLD_FOLDING, false, true, 'R', 100, 40, PATIENCE_SILENT, 4100},
    {"no limits", {0, 0}, FOLD_FOLDING, true, true, 'S', 0, 4, PATIENCE_WAIT, NEVER},
    {"no limits", {0, 0}, FOLD_FOLDING, false, true, 'R', 100, 4, PATIENCE_WAIT, NEVER},
};

static void test_rows(void)
{
	for (size_t i = 0; i < countof(rows); i++) {
		const struct row *row = &rows[i];
		struct patience p = {0};
		struct patience_look look = {
		    .phase = row->phase,
		    .same = row->same,
		    .asked = row->asked,
		    .state = row->state,
		    .cpu_ns = row->cpu_ms * MS,
		    .passed_ns = 100 * MS,
		    .views = row->views,
		};
		enum patience_verdict verdict = PATIENCE_WAIT;
		unsigned n = 0, ms;
		while (verdict == PATIENCE_WAIT && n < NEVER) {
			verdict = patience_judge(&p, &row->limits, &look, &ms);
			n++;
		}
		if (verdict != row->verdict || n != row->looks)
			fprintf(stderr, "%s: %d after %u\n", row->what, verdict, n);
		CHECK_INT(verdict, row->verdict);
		CHECK_INT(n, row->looks);
	}
}

/* What was counted ends with the event, and with the answer. */
static void test_resets(void)
{
	const struct patience_limits limits = {1000, 0};
	struct patience_look busy = {.phase = FOLD_FOLDING, .same = true, .state = 'R', .cpu_ns = 900 * MS};
	struct patience_look next = {.phase = FOLD_FOLDING, .state = 'R', .cpu_ns = 900 * MS};
	struct patience_look quiet = {
	    .phase = FOLD_IDLE, .same = true, .asked = true, .state = 'S', .passed_ns = 9000 * MS};
	struct patience_look answered = {.phase = FOLD_IDLE, .same = true, .state = 'S'};
	struct patience_look stopped = {
	    .phase = FOLD_IDLE, .same = true, .asked = true, .state = 'T', .passed_ns = 2000 * MS};
	struct patience p = {0};
	unsigned ms;

	for (unsigned i = 0; i < 100; i++) {
		CHECK_INT(patience_judge(&p, &limits, &busy, &ms), PATIENCE_WAIT);
		CHECK_INT(patience_judge(&p, &limits, &next, &ms), PATIENCE_WAIT);
		CHECK_INT(patience_judge(&p, &limits, &quiet, &ms), PATIENCE_WAIT);
		CHECK_INT(patience_judge(&p, &limits, &answered, &ms), PATIENCE_WAIT);
		CHECK_INT(patience_judge(&p, &limits, &stopped, &ms), PATIENCE_WAIT);
		CHECK_INT(patience_judge(&p, &limits, &answered, &ms), PATIENCE_WAIT);
	}
	CHECK_INT(patience_judge(&p, &limits, &stopped, &ms), PATIENCE_WAIT);
	CHECK_INT(patience_judge(&p, &limits, &stopped, &ms), PATIENCE_STOPPED);
	CHECK_INT(ms, 3000);
}

int main(void)
{
	test_rows();
	test_resets();
	return 0;
}
