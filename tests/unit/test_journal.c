/* The journal beside the log: what only it has comes back, what does not join is kept apart, and what failed
 * is told. */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "archive_all.h"
#include "check_file.h"
#include "store/kept.h"

#define RING 32768

static bool ends_in_brace(void *arg, struct slice line)
{
	return line.len > 1 && line.data[0] == '{' && line.data[line.len - 1] == '}';
}

static void count_report(void *arg, const char *text)
{
	CHECK(*text && !strchr(text, '\n'));
	++*(int *)arg;
}

static struct eventlog *open_with(struct simdisk *s, int *reports, bool decides, bool read_only)
{
	struct eventlog_options options = {.is_event = ends_in_brace,
					   .report = count_report,
					   .arg = reports,
					   .decides = decides,
					   .read_only = read_only};
	struct eventlog *log;

	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	return log;
}

static struct eventlog *open_log(struct simdisk *s, int *reports)
{
	return open_with(s, reports, false, false);
}

static int append(struct eventlog *log, const char *text)
{
	size_t done;

	return eventlog_append(log, slice_of(text), true, &done);
}

/* As the reader of another program sees it: what an open log with a journal leaves behind after a power cut
 * that dropped all that was not synced. */
static struct eventlog *open_with_journal(struct simdisk *s, int *reports)
{
	struct eventlog *log = open_log(s, reports);

	CHECK_INT(eventlog_journal(log, RING), 0);
	CHECK_INT(append(log, "{a}\n"), 0);
	CHECK_INT(eventlog_settle(log), 0);
	return log;
}

static void cut_power(struct simdisk *s, struct eventlog *log)
{
	eventlog_close(log);
	simdisk_reboot(s, 1); /* all dropped that was not synced */
}

/* An append costs a sync of the journal only, and comes back from there. */
static void test_comes_back(bool direct)
{
	struct eventlog_stats stats;
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	s.not_direct = !direct;
	struct eventlog *log = open_with_journal(&s, &reports);
	uint64_t changes = s.changes;
	CHECK_INT(append(log, "{b}\n{c}\n"), 0);
	CHECK_INT(s.changes - changes, 3); /* the log, the journal, one sync */
	CHECK_INT(append(log, "{d}\n"), 0);
	eventlog_stats(log, &stats);
	CHECK_INT(stats.settled, 4);
	CHECK_INT(stats.head.off, 16);
	cut_power(&s, log);
	check_file(&s, "app.jsonl", "{a}\n");
	/* Who may not write sees it all, too. */
	log = open_with(&s, &reports, false, true);
	CHECK_INT(eventlog_head(log).off, 16);
	eventlog_stats(log, &stats);
	CHECK_INT(stats.journal_rest, 12);
	eventlog_close(log);
	check_file(&s, "app.jsonl", "{a}\n");
	CHECK_INT(reports, 0);
	log = open_log(&s, &reports);
	CHECK_INT(reports, 1);
	eventlog_stats(log, &stats);
	CHECK_INT(stats.recovered, 1);
	check_file(&s, "app.jsonl", "{a}\n{b}\n{c}\n{d}\n");
	check_file(&s, "app.jsonl.journal", NULL);
	eventlog_close(log);
	simdisk_deinit(&s);
}

static void test_orderly_end(void)
{
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n"), 0);
	CHECK_INT(eventlog_finish(log), 0);
	cut_power(&s, log);
	check_file(&s, "app.jsonl", "{a}\n{b}\n");
	check_file(&s, "app.jsonl.journal", NULL);
	CHECK_INT(reports, 0);
	simdisk_deinit(&s);
}

/* The ring goes round many times: with the log settled now and then, and where nobody does that. */
static void test_round(void)
{
	static char want[4096], line[16];
	struct simdisk s;
	int reports = 0;

	for (unsigned every = 0; every < 4; every++) {
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s, &reports);
		strcpy(want, "{a}\n");
		for (unsigned i = 0; i < 100; i++) {
			sprintf(line, "{%u}\n", i);
			strcat(want, line);
			CHECK_INT(append(log, line), 0);
			if (every && i % every == 0)
				CHECK_INT(eventlog_settle(log), 0);
		}
		cut_power(&s, log);
		log = open_log(&s, &reports);
		check_file(&s, "app.jsonl", want);
		eventlog_close(log);
		simdisk_deinit(&s);
	}
}

/* Another program comes first after the power cut: it cuts the torn end off, appends, or makes an archive of
 * it all. */
static void test_foreign(bool drops)
{
	struct kept kept;
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n{c}\n"), 0);
	cut_power(&s, log);
	simdisk_put(&s, "app.jsonl", "{a}\n{other}\n", 12);
	log = open_log(&s, &reports);
	CHECK_INT(append(log, "{d}\n"), -EROFS);
	struct eventlog_stats stats;
	eventlog_stats(log, &stats);
	CHECK(stats.failed && strstr(stats.why, "eventfold recover"));
	CHECK_INT(eventlog_head(log).off, 12);
	eventlog_close(log);
	check_file(&s, "app.jsonl", "{a}\n{other}\n");
	check_file(&s, "app.jsonl.journal", NULL);
	/* That stays so. */
	log = open_log(&s, &reports);
	CHECK_INT(append(log, "{d}\n"), -EROFS);
	eventlog_close(log);
	log = open_with(&s, &reports, true, false);
	CHECK_INT((drops ? kept_drop : kept_append)(log, &s.disk, -1, &kept), 0);
	CHECK_INT(kept.files, 1);
	CHECK_INT(kept.events, 2);
	eventlog_close(log);
	check_file(&s, "app.jsonl", drops ? "{a}\n{other}\n" : "{a}\n{other}\n{b}\n{c}\n");
	check_file(&s, "app.jsonl.journal.1", NULL);
	log = open_log(&s, &reports);
	CHECK_INT(append(log, "{d}\n"), 0);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* A log that lacks these lines, which are kept apart. */
static void make_kept(struct simdisk *s, const char *lines)
{
	int reports = 0;

	simdisk_init(s);
	struct eventlog *log = open_with_journal(s, &reports);
	CHECK_INT(append(log, lines), 0);
	cut_power(s, log);
	simdisk_put(s, "app.jsonl", "{a}\n{other}\n", 12);
	eventlog_close(open_log(s, &reports));
}

static void make_one_kept(struct simdisk *s)
{
	make_kept(s, "{b}\n{c}\n");
}

/* Two journals. */
static void make_two_kept(struct simdisk *s)
{
	struct simdisk other;
	char *journal;
	size_t len;

	make_kept(s, "{b}\n");
	make_kept(&other, "{c}\n");
	CHECK(simdisk_content(&other, "app.jsonl.journal.1", &journal, &len));
	simdisk_put(s, "app.jsonl.journal.2", journal, len);
	free(journal);
	simdisk_deinit(&other);
}

/* No garbage is one. */
static bool is_known(void *arg, struct slice line)
{
	static const char *const known[] = {"{a}", "{b}", "{c}", "{z}", "{other}"};
	bool is = false;

	for (size_t i = 0; i < countof(known); i++)
		is |= slice_eq(line, slice_of(known[i]));
	return is;
}

static int append_kept(struct simdisk *s)
{
	struct eventlog_options options = {.is_event = is_known, .decides = true};
	struct eventlog *log;
	struct kept kept;

	int r = eventlog_open(&log, &s->disk, -1, &options, NULL);
	if (r != 0)
		return r;
	r = kept_append(log, &s->disk, -1, &kept);
	eventlog_close(log);
	return r;
}

/* Another program, which takes the log as it finds it, as far as its last whole line. */
static void append_foreign(struct simdisk *s)
{
	char *log;
	size_t len;

	CHECK(simdisk_content(s, "app.jsonl", &log, &len));
	while (len > 0 && log[len - 1] != '\n')
		len--;
	log = realloc(log, len + 4);
	memcpy(log + len, "{z}\n", 4);
	simdisk_put(s, "app.jsonl", log, len + 4);
	free(log);
}

static unsigned count_lines(const char *log, size_t len, const char *line)
{
	unsigned n = 0;

	for (const char *at = log; (at = memmem(at, len - (size_t)(at - log), line, strlen(line))); at++)
		n++;
	return n;
}

static void check_once(struct simdisk *s, bool foreign)
{
	char *log, *journal;
	size_t len;

	CHECK_INT(append_kept(s), 0);
	CHECK(!simdisk_content(s, "app.jsonl.journal", &journal, &len));
	CHECK(!simdisk_content(s, "app.jsonl.journal.1", &journal, &len));
	CHECK(!simdisk_content(s, "app.jsonl.journal.2", &journal, &len));
	CHECK(simdisk_content(s, "app.jsonl", &log, &len));
	CHECK_INT(len, foreign ? 24 : 20);
	CHECK(memcmp(log, "{a}\n{other}\n", 12) == 0);
	CHECK_INT(count_lines(log, len, "{b}\n"), 1);
	CHECK_INT(count_lines(log, len, "{c}\n"), 1);
	CHECK_INT(count_lines(log, len, "{z}\n"), foreign);
	free(log);
}

/* Whatever fails, wherever the power goes, and also if the other program comes again in between: done again,
 * each event is there once. */
static void test_kept_once(void (*make)(struct simdisk *s))
{
	static const int errors[] = {-EIO, -ENOSPC, 1};
	struct simdisk s;

	for (unsigned i = 0; i < 2 * countof(errors); i++) {
		bool failed = true;
		for (uint64_t n = 1; failed; n++) {
			make(&s);
			s.fail_at = n;
			s.fail_error = errors[i / 2];
			(void)!append_kept(&s);
			failed = s.fail_at == 0;
			simdisk_restart(&s);
			if (i % 2)
				append_foreign(&s);
			check_once(&s, i % 2);
			simdisk_deinit(&s);
		}
	}
	for (uint64_t seed = 0; seed < 40; seed++) {
		bool stopped = true;
		for (uint64_t n = 1; stopped; n++) {
			make(&s);
			s.random = seed;
			s.stop_at = n;
			(void)!append_kept(&s);
			stopped = s.dead;
			simdisk_reboot(&s, seed);
			check_once(&s, false);
			simdisk_deinit(&s);
		}
	}
}

/* One that needs a journal of one block, and 8 bytes of the log. */
static void test_kept_full(void)
{
	struct simdisk s;

	for (uint64_t room = JOURNAL_BLOCK - 2; room <= JOURNAL_BLOCK + 8; room++) {
		for (unsigned foreign = 0; foreign < 2; foreign++) {
			make_one_kept(&s);
			s.room = room;
			CHECK_INT(append_kept(&s), room < JOURNAL_BLOCK + 8 ? -ENOSPC : 0);
			s.room = UINT64_MAX;
			if (foreign)
				append_foreign(&s);
			check_once(&s, foreign);
			simdisk_deinit(&s);
		}
	}
}

/* A line before the settled place is gone, and another one of its size stands at its end: nothing is there
 * twice. */
static void test_line_removed(void)
{
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n"), 0);
	CHECK_INT(eventlog_settle(log), 0);
	CHECK_INT(append(log, "{c}\n"), 0);
	cut_power(&s, log);
	simdisk_put(&s, "app.jsonl", "{b}\n{c}\n", 8);
	log = open_with(&s, &reports, false, true);
	CHECK_INT(eventlog_head(log).off, 8);
	eventlog_close(log);
	CHECK_INT(reports, 1);
	log = open_log(&s, &reports);
	CHECK_INT(append(log, "{d}\n"), -EROFS);
	eventlog_close(log);
	check_file(&s, "app.jsonl", "{b}\n{c}\n");
	check_file(&s, "app.jsonl.journal", NULL);
	simdisk_deinit(&s);
}

/* Until the clock of the files tells it from the other one. */
static void put_later(struct simdisk *s, const char *name, const char *than, const char *data, size_t len)
{
	uint64_t is, other;

	do {
		simdisk_put(s, name, data, len);
		CHECK_INT(s->disk.changed(&s->disk, -1, name, &is), 0);
		CHECK_INT(s->disk.changed(&s->disk, -1, than, &other), 0);
	} while (is <= other);
}

/* A copy of living files, the log first: it ends before the settled place, in the middle of a line. As far as
 * the ring goes back all comes back; behind a gap nothing is put. */
static void test_copied_before(bool around)
{
	struct simdisk s;
	char *journal;
	size_t len;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n"), 0);
	CHECK_INT(eventlog_settle(log), 0);
	for (size_t i = 0; around && i < RING / JOURNAL_BLOCK; i++) {
		CHECK_INT(append(log, "{x}\n"), 0);
		CHECK_INT(eventlog_settle(log), 0);
	}
	CHECK_INT(append(log, "{c}\n"), 0);
	CHECK_INT(eventlog_settle(log), 0);
	CHECK_INT(append(log, "{d}\n"), 0);
	cut_power(&s, log);
	simdisk_put(&s, "app.jsonl", "{a}\n{b", 6);
	CHECK(simdisk_content(&s, "app.jsonl.journal", &journal, &len));
	put_later(&s, "app.jsonl.journal", "app.jsonl", journal, len);
	free(journal);
	CHECK_INT(reports, 0);
	log = open_with(&s, &reports, false, true);
	CHECK_INT(eventlog_head(log).off, around ? 4 : 16);
	eventlog_close(log);
	reports = 0;
	log = open_log(&s, &reports);
	CHECK(reports > 0);
	CHECK_INT(append(log, "{e}\n"), around ? -EROFS : 0);
	eventlog_close(log);
	check_file(&s, "app.jsonl", around ? "{a}\n{b" : "{a}\n{b}\n{c}\n{d}\n{e}\n");
	simdisk_deinit(&s);
}

/* The writer has died, and a person has removed the last lines: they do not come back. Those who copied the
 * log before the journal have a log that is not later. */
static void test_removed_by_a_person(void)
{
	struct simdisk s;
	int reports = 0;
	struct kept kept;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n"), 0);
	CHECK_INT(append(log, "{c}\n"), 0);
	CHECK_INT(eventlog_settle(log), 0);
	CHECK_INT(append(log, "{d}\n"), 0); /* so that the journal knows */
	eventlog_close(log);
	simdisk_restart(&s);
	put_later(&s, "app.jsonl", "app.jsonl.journal", "{a}\n", 4);
	log = open_with(&s, &reports, false, true);
	CHECK_INT(eventlog_head(log).off, 4);
	eventlog_close(log);
	reports = 0;
	log = open_log(&s, &reports);
	CHECK(reports > 0);
	CHECK_INT(append(log, "{e}\n"), -EROFS);
	eventlog_close(log);
	check_file(&s, "app.jsonl", "{a}\n");
	/* What was not known to be in the log is all that there is to decide. */
	log = open_with(&s, &reports, true, false);
	CHECK_INT(kept_append(log, &s.disk, -1, &kept), 0);
	eventlog_close(log);
	check_file(&s, "app.jsonl", "{a}\n{d}\n");
	simdisk_deinit(&s);
}

/* A group is in the journal, and its note is not over. The power cut takes it from the log, where another
 * program appends: that stays. */
static void test_group_and_foreign(void)
{
	static const struct log_group group = {0, 8};
	struct simdisk s;
	struct kept kept;
	int reports = 0;
	size_t done;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(eventlog_append_groups(log, slice_of("{b}\n{c}\n"), &group, 1, true, &done), 0);
	cut_power(&s, log);
	check_file(&s, "app.jsonl", "{a}\n");
	append_foreign(&s);
	for (unsigned i = 0; i < 4; i++) {
		log = open_with(&s, &reports, false, i % 2 == 0);
		CHECK_INT(eventlog_head(log).off, 8);
		eventlog_close(log);
	}
	log = open_with(&s, &reports, true, false);
	CHECK_INT(kept_append(log, &s.disk, -1, &kept), 0);
	eventlog_close(log);
	check_file(&s, "app.jsonl", "{a}\n{z}\n{b}\n{c}\n");
	check_file(&s, "app.jsonl.torn", NULL);
	simdisk_deinit(&s);
}

/* It may have what is nowhere else. */
static void test_other_version(void)
{
	struct eventlog_options options = {0};
	static const char block[4096] = "evfjrn1";
	struct eventlog *log;
	struct diag diag = {0};
	struct simdisk s;

	simdisk_init(&s);
	simdisk_put(&s, "app.jsonl.journal", block, sizeof(block));
	simdisk_put(&s, "app.jsonl", "{a}\n", 4);
	for (unsigned i = 0; i < 2; i++) {
		options.read_only = i;
		CHECK_INT(eventlog_open(&log, &s.disk, -1, &options, &diag), -EPROTO);
		CHECK(strstr(diag.text, "another version"));
		char *journal;
		size_t len;
		CHECK(simdisk_content(&s, "app.jsonl.journal", &journal, &len));
		free(journal);
	}
	simdisk_deinit(&s);
}

/* A rotation by another program, after our process has died: all is there, so there is nothing to decide. */
static void test_archived(void)
{
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n"), 0);
	CHECK_INT(append(log, "{c}\n"), 0);
	cut_power(&s, log);
	simdisk_put(&s, "app.jsonl.sealed", "{a}\n{b}\n", 8);
	simdisk_put(&s, "app.jsonl", "{c}\n{o}\n", 8);
	log = open_with(&s, &reports, false, true);
	CHECK_INT(eventlog_head(log).off, 16);
	eventlog_close(log);
	CHECK_INT(reports, 0);
	log = open_log(&s, &reports);
	CHECK_INT(append(log, "{d}\n"), 0);
	eventlog_close(log);
	check_file(&s, "app.jsonl", "{c}\n{o}\n{d}\n");
	check_file(&s, "app.jsonl.journal", NULL);
	check_file(&s, "app.jsonl.journal.1", NULL);
	simdisk_deinit(&s);
}

/* A log that has become shorter than what was known to be on disk: by a hand, or by a
 * rotation of another program's. */
static void test_gone(void)
{
	struct simdisk s;
	int reports = 0;

	for (unsigned i = 0; i < 2; i++) {
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s, &reports);
		CHECK_INT(append(log, "{b}\n"), 0);
		cut_power(&s, log);
		put_later(&s, "app.jsonl", "app.jsonl.journal", "", 0);
		if (i == 1)
			simdisk_put(&s, "app.jsonl.sealed", "{a}\n{o}\n{p}\n", 12);
		log = open_log(&s, &reports);
		CHECK_INT(append(log, "{d}\n"), -EROFS);
		eventlog_close(log);
		char *journal;
		size_t len;
		CHECK(simdisk_content(&s, "app.jsonl.journal.1", &journal, &len));
		free(journal);
		check_file(&s, "app.jsonl", "");
		simdisk_deinit(&s);
	}
}

/* Our own rotation: what it has settled is not wanted again, whatever comes after it. */
static void test_rotation(void)
{
	struct simdisk s;
	int reports = 0;

	for (unsigned archives = 0; archives < 2; archives++) {
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s, &reports);
		CHECK_INT(append(log, "{b}\n"), 0);
		CHECK_INT(eventlog_seal(log), 0);
		if (archives)
			CHECK_INT(archive_all(log, NULL), 0);
		cut_power(&s, log);
		log = open_log(&s, &reports);
		CHECK_INT(archive_all(log, NULL), archives);
		CHECK_INT(append(log, "{c}\n"), 0);
		CHECK_INT(eventlog_head(log).off, 12);
		eventlog_close(log);
		check_file(&s, "app.jsonl", "{c}\n");
		simdisk_deinit(&s);
	}
}

/* What is no event behind the settled place was torn by a power cut; before it, it is damage, and stays. */
static void test_mangled(void)
{
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n"), 0);
	cut_power(&s, log);
	simdisk_put(&s, "app.jsonl", "{a?\n{b}\nmangled\n{c}\n", 20);
	log = open_log(&s, &reports);
	check_file(&s, "app.jsonl", "{a?\n{b}\n{c}\n");
	check_file(&s, "app.jsonl.torn", "mangled\n");
	CHECK_INT(eventlog_head(log).seq, 3);
	CHECK_INT(append(log, "{d}\n"), 0);
	eventlog_close(log);
	check_file(&s, "app.jsonl", "{a?\n{b}\n{c}\n{d}\n");
	simdisk_deinit(&s);
}

/* A journal that fails costs nobody anything: the log is synced instead. */
static void test_journal_fails(void)
{
	struct simdisk s;

	for (unsigned at = 1; at <= 6; at++) {
		int reports = 0;
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s, &reports);
		CHECK_INT(append(log, "{b}\n"), 0);
		s.fail_at = at;
		s.fail_error = -EIO;
		int r = append(log, "{c}\n");
		CHECK(r == 0 || r == -EIO);
		s.fail_at = 0;
		if (r == 0 && append(log, "{d}\n") == 0)
			r = 1;
		cut_power(&s, log);
		log = open_log(&s, &reports);
		check_file(&s, "app.jsonl", r == 1 ? "{a}\n{b}\n{c}\n{d}\n" : "{a}\n{b}\n");
		check_file(&s, "app.jsonl.journal", NULL);
		eventlog_close(log);
		simdisk_deinit(&s);
	}
}

/* A sync of the log that fails behind a sound journal loses nothing at the next mount. What is read may be in
 * memory only, so it is written again. */
static void test_settling_fails(void)
{
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n"), 0);
	s.fail_at = 1;
	s.fail_error = -EIO;
	CHECK_INT(eventlog_settle(log), -EIO);
	CHECK_INT(append(log, "{c}\n"), -EROFS);
	CHECK_INT(eventlog_finish(log), -EROFS);
	cut_power(&s, log);
	log = open_log(&s, &reports);
	check_file(&s, "app.jsonl", "{a}\n{b}\n");
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* Gone from its name: what is told to be on disk must be where it is looked for. */
static void test_journal_removed(void)
{
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(append(log, "{b}\n"), 0);
	simdisk_remove(&s, "app.jsonl.journal");
	CHECK_INT(append(log, "{c}\n"), 0);
	CHECK_INT(reports, 1);
	cut_power(&s, log);
	check_file(&s, "app.jsonl", "{a}\n{b}\n{c}\n");
	simdisk_deinit(&s);
}

/* Neither what was appended without a sync before it, nor what is too large for the ring. */
static void test_goes_straight(void)
{
	static char large[20000];
	struct simdisk s;
	int reports = 0;
	size_t done;

	simdisk_init(&s);
	struct eventlog *log = open_with_journal(&s, &reports);
	CHECK_INT(eventlog_append(log, SLICE("{b}\n"), false, &done), 0);
	CHECK_INT(append(log, "{c}\n"), 0);
	CHECK_INT(append(log, "{d}\n"), 0);
	cut_power(&s, log);
	log = open_log(&s, &reports);
	CHECK_INT(reports, 1);
	check_file(&s, "app.jsonl", "{a}\n{b}\n{c}\n{d}\n");
	reports = 0;
	CHECK_INT(eventlog_journal(log, RING), 0);
	memset(large, 'x', sizeof(large) - 1);
	large[0] = '{';
	memcpy(large + sizeof(large) - 3, "}\n", 2);
	CHECK_INT(append(log, large), 0);
	uint64_t head = eventlog_head(log).off;
	cut_power(&s, log);
	log = open_log(&s, &reports);
	CHECK_INT(reports, 0);
	CHECK_INT(eventlog_head(log).off, head);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* No room for the journal; or none in the log, while the ring has some. */
static void test_full(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	for (uint64_t room = 0; room < RING; room += 5000) {
		simdisk_init(&s);
		struct eventlog *log = open_log(&s, &reports);
		s.room = room;
		CHECK_INT(eventlog_journal(log, RING), -ENOSPC);
		check_file(&s, "app.jsonl.journal", NULL);
		s.room = 100;
		CHECK_INT(append(log, "{a}\n"), 0);
		cut_power(&s, log);
		check_file(&s, "app.jsonl", "{a}\n");
		simdisk_deinit(&s);
	}
	for (uint64_t room = 0; room <= 12; room++) {
		char want[32];
		simdisk_init(&s);
		struct eventlog *log = open_with_journal(&s, &reports);
		s.room = room;
		CHECK_INT(eventlog_append(log, SLICE("{b}\n{c}\n{d}\n"), true, &n), room < 12 ? -ENOSPC : 0);
		CHECK_INT(n, room / 4 * 4);
		s.room = 100;
		CHECK_INT(append(log, "{e}\n"), 0);
		cut_power(&s, log);
		log = open_log(&s, &reports);
		snprintf(want, sizeof(want), "{a}\n%.*s{e}\n", (int)n, "{b}\n{c}\n{d}\n");
		check_file(&s, "app.jsonl", want);
		eventlog_close(log);
		simdisk_deinit(&s);
	}
}

int main(void)
{
	test_full();
	test_comes_back(true);
	test_comes_back(false);
	test_orderly_end();
	test_round();
	test_foreign(false);
	test_foreign(true);
	test_kept_once(make_one_kept);
	test_kept_once(make_two_kept);
	test_kept_full();
	test_line_removed();
	test_copied_before(false);
	test_copied_before(true);
	test_removed_by_a_person();
	test_group_and_foreign();
	test_other_version();
	test_archived();
	test_gone();
	test_rotation();
	test_mangled();
	test_journal_fails();
	test_settling_fails();
	test_journal_removed();
	test_goes_straight();
	return 0;
}
