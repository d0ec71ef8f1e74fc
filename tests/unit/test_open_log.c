/* An open file of events/app: every stage, and everything that can happen in it; and the line that a close
 * ends. */
#include <errno.h>

#include "check.h"
#include "fs/log/open_log.h"

#define EVENT "{\"type\":\"a\",\"data\":1,\"ts\":7}"
#define CLOSES 2

enum what { WRITE, LEND, CLOSE, GIVE_BACK, OWE, ASK, CUT, WHATS };
enum { NONE = -1, FIRST = 0 }; /* which close has its turn */

static struct guard_log beginning;
static const struct writer_rules rules = {.max_line = 100, .log = &beginning, .now = 5};
static struct event ev;

struct state {
	enum open_log_stage stage;
	int closes; /* that wait */
	int owed;
};

/* WRITE, ASK: the error; CLOSE: does it wait; GIVE_BACK: whose turn it is; CUT: is it the first. */
static const struct row {
	struct state before;
	enum what what;
	int result;
	struct state after;
} rows[] = {
    {{OPEN_LOG_HERE, 0, 0}, WRITE, 0, {OPEN_LOG_HERE, 0, 0}},
    {{OPEN_LOG_HERE, 0, 0}, LEND, 0, {OPEN_LOG_LENT, 0, 0}},
    {{OPEN_LOG_HERE, 0, 0}, CLOSE, false, {OPEN_LOG_HERE, 0, 0}},
    {{OPEN_LOG_HERE, 0, 0}, OWE, 0, {OPEN_LOG_HERE, 0, -EIO}},
    {{OPEN_LOG_HERE, 0, 0}, ASK, 0, {OPEN_LOG_HERE, 0, 0}},
    {{OPEN_LOG_HERE, 0, 0}, CUT, true, {OPEN_LOG_HERE, 0, 0}},

    /* What is owed is told once, by whichever comes first; to lend and to close is another's affair. */
    {{OPEN_LOG_HERE, 0, -ENOSPC}, WRITE, -ENOSPC, {OPEN_LOG_HERE, 0, 0}},
    {{OPEN_LOG_HERE, 0, -ENOSPC}, LEND, 0, {OPEN_LOG_LENT, 0, -ENOSPC}},
    {{OPEN_LOG_HERE, 0, -ENOSPC}, CLOSE, false, {OPEN_LOG_HERE, 0, -ENOSPC}},
    {{OPEN_LOG_HERE, 0, -ENOSPC}, OWE, 0, {OPEN_LOG_HERE, 0, -ENOSPC}},
    {{OPEN_LOG_HERE, 0, -ENOSPC}, ASK, -ENOSPC, {OPEN_LOG_HERE, 0, 0}},
    {{OPEN_LOG_HERE, 0, -ENOSPC}, CUT, true, {OPEN_LOG_HERE, 0, -ENOSPC}},

    {{OPEN_LOG_LENT, 0, 0}, WRITE, -EBUSY, {OPEN_LOG_LENT, 0, 0}},
    {{OPEN_LOG_LENT, 0, 0}, CLOSE, true, {OPEN_LOG_LENT, 1, 0}},
    {{OPEN_LOG_LENT, 0, 0}, GIVE_BACK, NONE, {OPEN_LOG_HERE, 0, 0}},
    {{OPEN_LOG_LENT, 0, 0}, OWE, 0, {OPEN_LOG_LENT, 0, -EIO}},
    {{OPEN_LOG_LENT, 0, 0}, ASK, 0, {OPEN_LOG_LENT, 0, 0}},
    {{OPEN_LOG_LENT, 0, 0}, CUT, true, {OPEN_LOG_LENT, 0, 0}},

    {{OPEN_LOG_LENT, 0, -ENOSPC}, WRITE, -ENOSPC, {OPEN_LOG_LENT, 0, 0}},
    {{OPEN_LOG_LENT, 0, -ENOSPC}, CLOSE, true, {OPEN_LOG_LENT, 1, -ENOSPC}},
    {{OPEN_LOG_LENT, 0, -ENOSPC}, GIVE_BACK, NONE, {OPEN_LOG_HERE, 0, -ENOSPC}},
    {{OPEN_LOG_LENT, 0, -ENOSPC}, OWE, 0, {OPEN_LOG_LENT, 0, -ENOSPC}},
    {{OPEN_LOG_LENT, 0, -ENOSPC}, ASK, -ENOSPC, {OPEN_LOG_LENT, 0, 0}},
    {{OPEN_LOG_LENT, 0, -ENOSPC}, CUT, true, {OPEN_LOG_LENT, 0, -ENOSPC}},

    /* It is back only when nobody waits for his turn any more. */
    {{OPEN_LOG_LENT, 1, 0}, WRITE, -EBUSY, {OPEN_LOG_LENT, 1, 0}},
    {{OPEN_LOG_LENT, 1, 0}, CLOSE, true, {OPEN_LOG_LENT, 2, 0}},
    {{OPEN_LOG_LENT, 1, 0}, GIVE_BACK, FIRST, {OPEN_LOG_LENT, 0, 0}},
    {{OPEN_LOG_LENT, 1, 0}, OWE, 0, {OPEN_LOG_LENT, 1, -EIO}},
    {{OPEN_LOG_LENT, 1, 0}, ASK, 0, {OPEN_LOG_LENT, 1, 0}},
    {{OPEN_LOG_LENT, 1, 0}, CUT, true, {OPEN_LOG_LENT, 1, 0}},
    {{OPEN_LOG_LENT, 2, 0}, GIVE_BACK, FIRST, {OPEN_LOG_LENT, 1, 0}},
};

static struct open_log_close closes[CLOSES + 1];

static void bring_to(struct open_log *o, const struct state *s)
{
	open_log_init(o, 1);
	if (s->stage == OPEN_LOG_LENT)
		open_log_lend(o);
	for (int i = 0; i < s->closes; i++)
		CHECK(open_log_must_wait(o, &closes[i]));
	if (s->owed)
		open_log_owe(o, open_log_number(o), s->owed);
}

static int happen(struct open_log *o, const struct row *row)
{
	struct open_log_close *next;

	switch (row->what) {
	case WRITE:
		return open_log_may_write(o);
	case LEND:
		open_log_lend(o);
		return 0;
	case CLOSE:
		return open_log_must_wait(o, &closes[row->before.closes]);
	case GIVE_BACK:
		next = open_log_give_back(o);
		return next ? (int)(next - closes) : NONE;
	case OWE:
		open_log_owe(o, open_log_number(o), -EIO);
		return 0;
	case ASK:
		return open_log_take_owed(o);
	default:
		return open_log_cut(o);
	}
}

/* Those that wait have their turns in the order of their coming, then the writer is back. */
static void check_state(struct open_log *o, const struct row *row)
{
	int first = row->what == GIVE_BACK ? 1 : 0;

	CHECK_INT(o->stage, row->after.stage);
	CHECK_INT(open_log_take_owed(o), row->after.owed);
	if (o->stage != OPEN_LOG_LENT)
		return;
	for (int i = 0; i < row->after.closes; i++)
		CHECK(open_log_give_back(o) == &closes[first + i]);
	CHECK(!open_log_give_back(o));
}

static void test_rows(void)
{
	bool seen[2][WHATS] = {0};

	for (size_t i = 0; i < countof(rows); i++) {
		struct open_log o;
		bring_to(&o, &rows[i].before);
		CHECK_INT(happen(&o, &rows[i]), rows[i].result);
		check_state(&o, &rows[i]);
		open_log_deinit(&o);
		seen[rows[i].before.stage][rows[i].what] = true;
	}
	/* But for what nobody may do. */
	for (int what = 0; what < WHATS; what++) {
		CHECK(seen[OPEN_LOG_HERE][what] != (what == GIVE_BACK));
		CHECK(seen[OPEN_LOG_LENT][what] != (what == LEND));
	}
}

static void write_part(struct open_log *o, const char *data)
{
	struct refusal left;
	struct batch b;

	CHECK_INT(writer_resume(&o->writer, slice_of(data), &left), 0);
	refusal_deinit(&left);
	CHECK_INT(writer_feed(&o->writer, slice_of(data), &rules, &ev, &b), 0);
	CHECK_INT(open_log_written(o, &b, b.given), 0);
	batch_deinit(&b);
}

/* What a close makes of what has no newline yet: the error, what is appended, and what stays. */
static void close_with(const char *part, int error, const char *appended, const char *stays)
{
	struct batch b = {0};
	struct open_log o;

	open_log_init(&o, 1);
	write_part(&o, part);
	CHECK_INT(open_log_take_partial(&o, &rules, &ev, &b), error);
	CHECK_MEM(b.lines.data, b.lines.len, appended, strlen(appended));
	CHECK_MEM(o.writer.partial.data, o.writer.partial.len, stays, strlen(stays));
	batch_deinit(&b);
	open_log_deinit(&o);
}

/* A cut while a write is with the commit thread is not forgotten when that is over. */
static void test_cut_while_lent(void)
{
	struct refusal left;
	struct open_log o;
	struct batch b;

	open_log_init(&o, 1);
	CHECK_INT(writer_feed(&o.writer, slice_of(EVENT "\n"), &rules, &ev, &b), 0);
	open_log_lend(&o);
	CHECK(open_log_cut(&o));
	CHECK(!open_log_cut(&o));
	CHECK_INT(open_log_written(&o, &b, b.given), 0);
	CHECK(!open_log_give_back(&o));
	CHECK_INT(open_log_may_write(&o), 0);
	CHECK_INT(writer_resume(&o.writer, slice_of(EVENT "\n"), &left), -EPERM);
	refusal_deinit(&left);
	batch_deinit(&b);
	open_log_deinit(&o);
}

/* A close that saves the log over itself: refused for good. */
static void test_saving(void)
{
	struct batch b = {0};
	struct refusal left;
	struct open_log o;

	guard_log_add(&beginning, slice_of(EVENT));
	open_log_init(&o, 1);
	guard_watch(&o.writer.guard, &beginning);
	write_part(&o, EVENT);
	guard_watch(&o.writer.guard, &beginning);
	CHECK_INT(open_log_take_partial(&o, &rules, &ev, &b), -EPERM);
	CHECK_INT(b.lines.len, 0);
	CHECK_INT(o.writer.partial.len, 0);
	CHECK_INT(writer_resume(&o.writer, slice_of(EVENT "\n"), &left), -EPERM);
	batch_deinit(&b);
	open_log_deinit(&o);
}

/* Nothing goes into the log behind a gap that its writer has not been told of. */
static void test_gap(void)
{
	struct open_log o;

	open_log_init(&o, 1);
	uint64_t first = open_log_number(&o), second = open_log_number(&o);
	CHECK_INT(open_log_refusal(&o, first), 0);
	open_log_owe(&o, first, -ENOSPC);
	CHECK_INT(open_log_refusal(&o, second), -ENOSPC);
	/* A write that was being looked at as the first failed. */
	uint64_t late = open_log_number(&o);
	CHECK_INT(open_log_refusal(&o, late), -ENOSPC);
	CHECK_INT(open_log_take_owed(&o), -ENOSPC);
	/* He has been told, and goes on; what was refused with the first says nothing new. */
	uint64_t third = open_log_number(&o);
	CHECK_INT(open_log_refusal(&o, late), -ENOSPC);
	CHECK_INT(open_log_refusal(&o, third), 0);
	open_log_owe(&o, second, -ENOSPC);
	CHECK_INT(open_log_take_owed(&o), 0);
	CHECK_INT(open_log_refusal(&o, second), -ENOSPC);
	CHECK_INT(open_log_refusal(&o, third), 0);
	open_log_deinit(&o);
}

int main(void)
{
	test_rows();
	close_with("", 0, "", "");
	close_with(EVENT, 0, EVENT "\n", "");
	close_with("  \t", 0, "", "");
	close_with("{\"type\":", -EINVAL, "", "{\"type\":");
	test_cut_while_lent();
	test_saving();
	event_deinit(&ev);
	test_gap();
	return 0;
}
