/* Lines that are proposed to an order which is decided elsewhere: by the time of the answer the journal has
 * them on disk, and whatever the answer is and whenever the power goes, the log is a beginning of that order,
 * and what was acknowledged can be had again. */
#include <errno.h>

#include "archive_all.h"
#include "check_file.h"
#include "read_by_cursor.h"
#include "store/kept.h"
#include "summed_lines.h"

#define RING 32768
#define ASIDE "app.jsonl.proposed"

static bool is_event(void *arg, struct slice line)
{
	return is_summed(arg, line) || (line.len == 3 && line.data[0] == '{' && line.data[2] == '}');
}

static bool is_there(struct simdisk *s, const char *name)
{
	char *got = NULL;
	size_t len;
	bool there = simdisk_content(s, name, &got, &len);

	free(got);
	return there;
}

static struct eventlog *open_with(struct simdisk *s, bool shared, bool decides)
{
	struct eventlog_options options = {.is_event = is_event, .shared = shared, .decides = decides};
	struct eventlog *log;

	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	return log;
}

static struct eventlog *open_log(struct simdisk *s)
{
	return open_with(s, true, false);
}

/* A new order begins with it. */
static void begin_anew(struct simdisk *s)
{
	struct eventlog *log = open_log(s);

	CHECK_INT(eventlog_take_proposed(log), 0);
	CHECK(!eventlog_has_proposed(log));
	CHECK_INT(eventlog_finish(log), 0);
	eventlog_close(log);
	CHECK(!is_there(s, "app.jsonl.groups"));
	CHECK(!is_there(s, ASIDE));
	CHECK(!is_there(s, "app.jsonl.journal"));
}

static int append(struct eventlog *log, const char *text)
{
	size_t done;

	return eventlog_append(log, slice_of(text), true, &done);
}

static void propose(struct eventlog *log, const char *text)
{
	CHECK(eventlog_propose(log, slice_of(text)));
}

static struct eventlog *open_with_journal(struct simdisk *s)
{
	struct eventlog *log = open_log(s);

	CHECK_INT(eventlog_journal(log, RING), 0);
	CHECK_INT(append(log, "{a}\n"), 0);
	CHECK_INT(eventlog_settle(log), 0);
	return log;
}

/* What is not synced is dropped. */
static void cut_power(struct simdisk *s, struct eventlog *log)
{
	eventlog_close(log);
	simdisk_reboot(s, 1);
}

/* Opens it as its machine does, and then as one on which a new order begins. */
static void check_both(struct simdisk *s, const char *own, const char *anew)
{
	eventlog_close(open_log(s));
	check_file(s, "app.jsonl", own);
	CHECK(is_there(s, ASIDE) || strcmp(own, anew) == 0);
	begin_anew(s);
	check_file(s, "app.jsonl", anew);
}

static void test_costs_no_sync(void)
{
	struct simdisk s;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	uint64_t changes = s.changes;
	propose(log, "{b}\n");
	CHECK_INT(s.changes - changes, 2); /* the journal, one sync */
	CHECK(eventlog_is_certain(log));
	CHECK_INT(append(log, "{b}\n"), 0);
	CHECK_INT(s.changes - changes, 3); /* the log */
	CHECK(!eventlog_is_certain(log));
	CHECK_INT(eventlog_settle(log), 0);
	CHECK(eventlog_is_certain(log));
	cut_power(&s, log);
	check_both(&s, "{a}\n{b}\n", "{a}\n{b}\n");
	simdisk_deinit(&s);
}

/* Nothing has followed: others know whether it is in the order. */
static void test_is_kept_aside(void)
{
	for (int answered = 0; answered < 2; answered++) {
		struct simdisk s;
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s);
		propose(log, "{b}\n{c}\n");
		if (answered)
			CHECK_INT(append(log, "{b}\n{c}\n"), 0);
		cut_power(&s, log);
		check_both(&s, "{a}\n", "{a}\n{b}\n{c}\n");
		simdisk_deinit(&s);
	}
}

/* The process has died, and the system has it: it was appended. */
static void test_is_in_the_file(void)
{
	struct simdisk s;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	propose(log, "{b}\n");
	CHECK_INT(append(log, "{b}\n"), 0);
	eventlog_close(log);
	simdisk_restart(&s);
	check_both(&s, "{a}\n{b}\n", "{a}\n{b}\n");
	simdisk_deinit(&s);
}

/* By the next one, of either kind, it is certain. */
static void test_is_followed(void)
{
	for (int proposed = 0; proposed < 2; proposed++) {
		struct simdisk s;
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s);
		propose(log, "{b}\n");
		CHECK_INT(append(log, "{b}\n"), 0);
		if (proposed)
			propose(log, "{c}\n");
		else
			CHECK_INT(append(log, "{c}\n"), 0);
		CHECK(eventlog_is_certain(log));
		cut_power(&s, log);
		check_both(&s, proposed ? "{a}\n{b}\n" : "{a}\n{b}\n{c}\n", "{a}\n{b}\n{c}\n");
		simdisk_deinit(&s);
	}
}

/* Others were first: of what was proposed nothing comes back, whether something has followed or not. */
static void test_is_withdrawn(void)
{
	size_t done;

	for (int followed = 0; followed < 2; followed++) {
		struct simdisk s;
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s);
		propose(log, "{b}\n{c}\n");
		eventlog_withdraw(log);
		CHECK_INT(eventlog_append(log, slice_of("{x}\n"), false, &done), 0);
		CHECK(!eventlog_propose(log, slice_of("{b}\n{c}\n"))); /* the file is to be synced first */
		CHECK_INT(eventlog_sync(log), 0);
		if (followed)
			CHECK_INT(append(log, "{y}\n"), 0);
		cut_power(&s, log);
		check_both(&s, followed ? "{a}\n{x}\n{y}\n" : "{a}\n{x}\n",
			   followed ? "{a}\n{x}\n{y}\n" : "{a}\n{x}\n");
		simdisk_deinit(&s);
	}
}

/* Other lines than those are appended with a sync of their own, and so are the same ones in another place. */
static void test_is_another(void)
{
	struct simdisk s;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	propose(log, "{b}\n");
	CHECK_INT(append(log, "{x}\n"), 0);
	CHECK(eventlog_is_certain(log));
	CHECK_INT(append(log, "{b}\n"), 0);
	CHECK(eventlog_is_certain(log));
	cut_power(&s, log);
	check_both(&s, "{a}\n{x}\n{b}\n", "{a}\n{x}\n{b}\n");
	simdisk_deinit(&s);
}

/* A rotation comes between the question and the answer. */
static void test_is_sealed_meanwhile(void)
{
	struct simdisk s;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	propose(log, "{b}\n");
	CHECK_INT(eventlog_seal(log), 0);
	CHECK_INT(append(log, "{b}\n"), 0);
	CHECK(eventlog_is_certain(log));
	CHECK_INT(archive_all(log, NULL), 0);
	cut_power(&s, log);
	check_both(&s, "{b}\n", "{b}\n");
	simdisk_deinit(&s);
}

/* What was kept aside is over with the first append, and is not taken by a log that has gone on. */
static void test_is_over(void)
{
	struct simdisk s;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	propose(log, "{b}\n");
	cut_power(&s, log);
	log = open_log(&s);
	CHECK(is_there(&s, ASIDE));
	CHECK_INT(append(log, "{x}\n"), 0);
	CHECK(!is_there(&s, ASIDE));
	check_file(&s, "app.jsonl.torn", "{b}\n");
	CHECK_INT(eventlog_finish(log), 0);
	eventlog_close(log);
	/* The log has gone on otherwise: it is not appended, and not gone either. */
	log = open_with_journal(&s);
	propose(log, "{c}\n");
	cut_power(&s, log);
	eventlog_close(open_log(&s));
	simdisk_put(&s, "app.jsonl", "{x}\n{x}\n", 8);
	simdisk_remove(&s, "app.jsonl.torn");
	begin_anew(&s);
	check_file(&s, "app.jsonl", "{x}\n{x}\n");
	check_file(&s, "app.jsonl.torn", "{c}\n");
	simdisk_deinit(&s);
}

/* The log is shared no more: a person decides, whatever has come since. */
static void test_is_recovered(void)
{
	struct eventlog *log;
	struct kept kept;

	for (int drops = 0; drops < 2; drops++) {
		const char *want = drops ? "{a}\n{x}\n" : "{a}\n{x}\n{b}\n{c}\n";
		struct simdisk s;
		simdisk_init(&s);
		log = open_with_journal(&s);
		propose(log, "{b}\n{c}\n");
		cut_power(&s, log);
		log = open_with(&s, false, false);
		CHECK_INT(append(log, "{x}\n"), 0);
		eventlog_close(log);
		CHECK(is_there(&s, ASIDE));
		log = open_with(&s, false, true);
		CHECK_INT((drops ? kept_drop : kept_append)(log, &s.disk, -1, &kept), 0);
		CHECK_INT(kept.events, 2);
		eventlog_close(log);
		check_both(&s, want, want);
		CHECK(!is_there(&s, ASIDE));
		simdisk_deinit(&s);
	}
}

/* A power cut has left some of its lines: the rest is taken. */
static void test_is_there_in_part(void)
{
	struct simdisk s;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	propose(log, "{b}\n{c}\n{d}\n");
	cut_power(&s, log);
	simdisk_put(&s, "app.jsonl", "{a}\n{b}\n{", 9);
	check_both(&s, "{a}\n{b}\n", "{a}\n{b}\n{c}\n{d}\n");
	simdisk_deinit(&s);
}

/* And a hole before them: nothing stands behind it, whoever opens the log first. */
static void test_has_a_hole(void)
{
	for (int how = 0; how < 3; how++) {
		struct simdisk s;
		struct kept kept;
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s);
		propose(log, "{b}\n{c}\n");
		CHECK_INT(append(log, "{b}\n{c}\n"), 0);
		cut_power(&s, log);
		simdisk_put(&s, "app.jsonl", "{a}\n\0\0\0\n{c}\n", 12);
		if (how == 1) { /* verify --repair */
			eventlog_close(open_with(&s, false, false));
			check_file(&s, "app.jsonl", "{a}\n");
		} else if (how == 2) {
			log = open_with(&s, false, true);
			CHECK_INT(kept_append(log, &s.disk, -1, &kept), 0);
			eventlog_close(log);
		}
		begin_anew(&s);
		check_file(&s, "app.jsonl", "{a}\n{b}\n{c}\n");
		simdisk_deinit(&s);
	}
}

/* Without room it is not taken, and is still there when there is some. */
static void test_finds_no_room(void)
{
	struct simdisk s;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	propose(log, "{b}\n{c}\n{d}\n");
	cut_power(&s, log);
	log = open_log(&s);
	for (uint64_t room = 0; room < 12; room++) {
		s.room = room;
		CHECK_INT(eventlog_take_proposed(log), -ENOSPC);
		CHECK(eventlog_has_proposed(log));
	}
	eventlog_close(log);
	s.room = UINT64_MAX;
	begin_anew(&s);
	check_file(&s, "app.jsonl", "{a}\n{b}\n{c}\n{d}\n");
	simdisk_deinit(&s);
}

/* Others' lines came first and look, by their end, like what was proposed. */
static void test_looks_alike(void)
{
	struct simdisk s;
	size_t done;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	propose(log, "{b}\n{z}\n");
	CHECK_INT(eventlog_append(log, slice_of("{c}\n{z}\n"), false, &done), 0);
	eventlog_withdraw(log);
	cut_power(&s, log);
	check_both(&s, "{a}\n", "{a}\n");
	simdisk_deinit(&s);
}

/* What did not come to stand anywhere needs no room in the ring. */
static void test_many_are_withdrawn(void)
{
	static char large[7000];
	struct simdisk s;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s);
	memset(large, 'x', sizeof(large));
	memcpy(large + sizeof(large) - 2, "\n", 2);
	for (int i = 0; i < 20; i++) {
		propose(log, large);
		eventlog_withdraw(log);
	}
	propose(log, "{b}\n");
	cut_power(&s, log);
	check_both(&s, "{a}\n", "{a}\n{b}\n");
	simdisk_deinit(&s);
}

/* The power goes anywhere */

struct proposal {
	char lines[256];
	size_t len, off;
};

struct order {
	char lines[16384];
	size_t len, certain, acked; /* bytes: decided; told to others as safe here; acknowledged */
	unsigned next;
	struct proposal open; /* not answered: it may come */
};

static size_t make_lines(struct order *o, char *out, uint64_t *dice)
{
	size_t len = 0;

	for (unsigned n = 1 + (unsigned)(sim_random(dice) % 3); n > 0; n--)
		len += summed_line(o->next++, (unsigned)(sim_random(dice) % 40), out + len);
	return len;
}

static void decide(struct order *o, const char *lines, size_t len)
{
	CHECK(o->len + len <= sizeof(o->lines));
	memcpy(o->lines + o->len, lines, len);
	o->len += len;
}

static void tell(struct order *o, struct eventlog *log)
{
	if (eventlog_is_certain(log))
		o->certain = (size_t)eventlog_head(log).off;
}

static bool ask(struct simdisk *s, struct eventlog *log, struct order *o, uint64_t *dice)
{
	struct proposal before = o->open;

	o->open.off = o->len;
	o->open.len = make_lines(o, o->open.lines, dice);
	bool asked = eventlog_propose(log, (struct slice){o->open.lines, o->open.len});
	if (asked)
		tell(o, log);
	else if (!s->dead)
		o->open = before;
	return asked;
}

static bool append_others(struct simdisk *s, struct eventlog *log, struct order *o, uint64_t *dice)
{
	char others[256];
	size_t len = make_lines(o, others, dice), done;

	decide(o, others, len);
	if (eventlog_append(log, (struct slice){others, len}, false, &done) < 0)
		return false;
	eventlog_withdraw(log);
	if (s->dead)
		return false;
	o->open.len = 0; /* its writer may be told */
	return sim_random(dice) % 2 || eventlog_sync(log) == 0;
}

static bool append_mine(struct eventlog *log, struct order *o, const char *lines, size_t len)
{
	size_t done;

	decide(o, lines, len);
	if (eventlog_append(log, (struct slice){lines, len}, true, &done) < 0)
		return false;
	o->open.len = 0;
	o->acked = o->len;
	tell(o, log);
	return true;
}

/* As sharing_append() does. False: it can't go on. */
static bool step(struct simdisk *s, struct eventlog *log, struct order *o, uint64_t *dice)
{
	char lines[256];
	size_t len = 0;

	if (ask(s, log, o, dice)) {
		len = o->open.len;
		memcpy(lines, o->open.lines, len);
	} else {
		len = make_lines(o, lines, dice);
	}
	if (s->dead)
		return false;
	return sim_random(dice) % 4 == 0 ? append_others(s, log, o, dice) : append_mine(log, o, lines, len);
}

/* Without one it is not known which lines a power cut may have mangled. */
static bool has_journal(struct eventlog *log)
{
	struct eventlog_stats stats;

	eventlog_stats(log, &stats);
	return stats.journal;
}

static void work(struct simdisk *s, struct order *o, uint64_t dice)
{
	struct eventlog_options options = {.is_event = is_event, .shared = true};
	struct eventlog *log;
	size_t done;

	if (eventlog_open(&log, &s->disk, -1, &options, NULL) != 0)
		return;
	(void)!eventlog_journal(log, RING);
	size_t have = (size_t)eventlog_head(log).off;
	CHECK(have <= o->len);
	/* What it has missed. */
	bool goes_on = !has_journal(log) || have == o->len ||
		       eventlog_append(log, (struct slice){o->lines + have, o->len - have}, true, &done) == 0;
	for (unsigned i = 0; goes_on && i < 12 && !s->dead && has_journal(log); i++) {
		goes_on = step(s, log, o, &dice);
		if (goes_on && sim_random(&dice) % 5 == 0)
			goes_on = eventlog_settle(log) == 0;
		if (goes_on && sim_random(&dice) % 8 == 0)
			goes_on = eventlog_seal(log) >= 0 && archive_all(log, NULL) >= 0;
	}
	eventlog_close(log);
}

static size_t read_log(struct simdisk *s, bool takes, char *out, size_t room)
{
	struct eventlog *log = open_log(s);
	CHECK(!takes || eventlog_take_proposed(log) == 0);
	size_t len = read_by_cursor(s, log, out, room);

	eventlog_close(log);
	return len;
}

/* A beginning of the order, with all that others may have forgotten. */
static void check_own(struct simdisk *s, const struct order *o)
{
	static char got[32768];
	size_t len = read_log(s, false, got, sizeof(got));

	CHECK(len <= o->len && len >= o->certain);
	CHECK(memcmp(got, o->lines, len) == 0);
}

/* All that was acknowledged; and behind it at most what may have been. */
static void check_anew(struct simdisk *s, struct order *o)
{
	static char got[32768];

	size_t len = read_log(s, true, got, sizeof(got));
	if (len == o->open.off + o->open.len && memcmp(got + o->open.off, o->open.lines, o->open.len) == 0) {
		o->len = o->open.off;
		decide(o, o->open.lines, o->open.len);
	}
	CHECK(len <= o->len && len >= o->acked);
	CHECK(memcmp(got, o->lines, len) == 0);
}

/* The `n`-th change is the last one; or the `n`-th call fails, with that error. False: there were fewer. */
static bool stop_at(uint64_t n, int error, uint64_t dice)
{
	static struct order order;
	struct simdisk s;

	order = (struct order){0};
	simdisk_init(&s);
	s.random = dice;
	*(error ? &s.fail_at : &s.stop_at) = n;
	s.fail_error = error;
	work(&s, &order, dice);
	bool stopped = error ? s.fail_at == 0 : s.dead;
	s.fail_at = 0;
	/* Whether the question came through before that is anybody's guess. */
	if (dice % 3 == 0 && order.open.off == order.len)
		decide(&order, order.open.lines, order.open.len);
	simdisk_reboot(&s, dice % 4);
	if (dice % 2) {
		check_own(&s, &order);
		s.stop_at = 1 + dice / 8 % 60;
		work(&s, &order, dice / 3);
		simdisk_reboot(&s, dice / 4 % 4);
	}
	if (dice / 64 % 2)
		check_own(&s, &order);
	check_anew(&s, &order);
	simdisk_deinit(&s);
	return stopped;
}

static uint64_t stop_everywhere(uint64_t seeds, int error)
{
	uint64_t stops = 0;

	for (uint64_t seed = 0; seed < seeds; seed++) {
		uint64_t n = 0, mix, dice;
		do {
			mix = seed * 1000003 + ++n;
			dice = sim_random(&mix);
		} while (stop_at(n, error, dice));
		stops += n;
	}
	return stops;
}

int main(void)
{
	test_costs_no_sync();
	test_is_kept_aside();
	test_is_in_the_file();
	test_is_followed();
	test_is_withdrawn();
	test_is_another();
	test_is_sealed_meanwhile();
	test_is_over();
	test_is_there_in_part();
	test_is_recovered();
	test_has_a_hole();
	test_finds_no_room();
	test_looks_alike();
	test_many_are_withdrawn();
	uint64_t seeds = check_wants("0") ? 20 : check_wants("1") ? 1000 : 100;
	uint64_t stops = stop_everywhere(seeds, 0);
	uint64_t fails = stop_everywhere(seeds / 4, -EIO) + stop_everywhere(seeds / 4, -ENOSPC);
	printf("%" PRIu64 " power cuts, %" PRIu64 " failed calls\n", stops, fails);
	return 0;
}
