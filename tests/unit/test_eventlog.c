#include "store/eventlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "check.h"
#include "simdisk.h"

static bool ends_in_brace(void *arg, struct slice line)
{
	return line.len && line.data[line.len - 1] == '}';
}

static void count_report(void *arg, const char *text)
{
	CHECK(*text && !strchr(text, '\n'));
	++*(int *)arg;
}

static struct eventlog *open_log(struct simdisk *s, int *reports)
{
	struct eventlog_options options = {.is_event = ends_in_brace, .report = count_report, .arg = reports};
	struct eventlog *log;

	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	return log;
}

static int append(struct eventlog *log, const char *text, size_t *ret_len)
{
	return eventlog_append(log, slice_of(text), true, ret_len);
}

static void check_file(struct simdisk *s, const char *name, const char *want)
{
	char *got;
	size_t len;

	CHECK(simdisk_content(s, name, &got, &len));
	CHECK_MEM(got, len, want, strlen(want));
	free(got);
}

static void test_append(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s, &reports);
	struct log_pos head = eventlog_head(log);
	CHECK(head.off == 0 && head.seq == 0 && head.hash == 0);
	uint64_t changes = s.changes;
	CHECK_INT(append(log, "{a}\n{bc}\n", &n), 0);
	CHECK_INT(s.changes - changes, 2); /* one write, one sync */
	CHECK_INT(n, 9);
	head = eventlog_head(log);
	CHECK(head.off == 9 && head.seq == 2 && head.hash == log_hash(SLICE("{bc}")));
	eventlog_close(log);

	log = open_log(&s, &reports);
	struct log_pos again = eventlog_head(log);
	CHECK(memcmp(&again, &head, sizeof(head)) == 0);
	CHECK_INT(reports, 0);
	eventlog_close(log);
	simdisk_deinit(&s);
}

static void check_torn(const char *before, const char *after, const char *torn)
{
	struct eventlog_stats stats;
	struct simdisk s;
	int reports = 0;
	size_t n;

	simdisk_init(&s);
	simdisk_put(&s, "app.jsonl", before, strlen(before));
	struct eventlog *log = open_log(&s, &reports);
	CHECK_INT(reports, 1);
	eventlog_stats(log, &stats);
	CHECK_INT(stats.recovered, 1);
	check_file(&s, "app.jsonl", after);
	if (torn)
		check_file(&s, "app.jsonl.torn", torn);
	CHECK_INT(append(log, "{z}\n", &n), 0);
	CHECK_INT(eventlog_head(log).off, strlen(after) + 4);
	eventlog_close(log);
	simdisk_deinit(&s);
}

static void test_full(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	for (uint64_t room = 0; room <= 12; room++) {
		simdisk_init(&s);
		struct eventlog *log = open_log(&s, &reports);
		s.room = room;
		CHECK_INT(append(log, "{a}\n{b}\n{c}\n", &n), room < 12 ? -ENOSPC : 0);
		CHECK_INT(n, room / 4 * 4);
		CHECK_INT(eventlog_head(log).off, n);
		CHECK_INT(eventlog_head(log).seq, n / 4);
		s.room = 100;
		CHECK_INT(append(log, "{d}\n", &n), 0);
		eventlog_close(log);
		char want[32];
		snprintf(want, sizeof(want), "%.*s{d}\n", (int)(room / 4 * 4), "{a}\n{b}\n{c}\n");
		check_file(&s, "app.jsonl", want);
		simdisk_deinit(&s);
	}
}

/* The disk fails at the write or the sync: nothing more is acknowledged, and what was stays. */
static void test_failed(void)
{
	struct eventlog_stats stats;
	struct simdisk s;
	int reports = 0;
	size_t n;

	for (uint64_t at = 1; at <= 2; at++) {
		simdisk_init(&s);
		struct eventlog *log = open_log(&s, &reports);
		CHECK_INT(append(log, "{a}\n", &n), 0);
		s.fail_at = at;
		s.fail_error = -EIO;
		CHECK_INT(append(log, "{b}\n", &n), -EIO);
		CHECK_INT(n, 0);
		CHECK_INT(eventlog_head(log).off, 4);
		CHECK_INT(append(log, "{c}\n", &n), -EROFS);
		CHECK_INT(eventlog_seal(log), -EROFS);
		eventlog_stats(log, &stats);
		CHECK(stats.failed && strstr(stats.why, "app.jsonl"));
		eventlog_close(log);
		log = open_log(&s, &reports);
		CHECK_INT(eventlog_head(log).off, 4);
		CHECK_INT(append(log, "{c}\n", &n), 0);
		eventlog_close(log);
		simdisk_deinit(&s);
	}
}

static void test_locked(void)
{
	struct eventlog_options options = {.read_only = true};
	struct eventlog *second;
	struct simdisk s;
	struct diag diag;
	int reports = 0;
	char pid[64];
	size_t n;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s, &reports);
	CHECK_INT(append(log, "{a}\n", &n), 0);
	CHECK_INT(eventlog_open(&second, &s.disk, -1, &(struct eventlog_options){0}, &diag), 1);
	snprintf(pid, sizeof(pid), "process %d holds it", (int)getpid());
	CHECK(strstr(diag.text, pid) || strstr(diag.text, "another process"));
	/* The lock moves on with a rotation; at no stage may a second writer get in. */
	CHECK_INT(eventlog_seal(log), 0);
	CHECK_INT(eventlog_seal(log), 1);
	CHECK_INT(eventlog_open(&second, &s.disk, -1, &(struct eventlog_options){0}, &diag), 1);
	CHECK_INT(eventlog_archive(log, &diag), 0);
	CHECK_INT(eventlog_archive(log, &diag), 1);
	CHECK_INT(eventlog_open(&second, &s.disk, -1, &(struct eventlog_options){0}, &diag), 1);
	CHECK_INT(eventlog_open(&second, &s.disk, -1, &options, &diag), 0);
	CHECK_INT(eventlog_head(second).off, 4);
	CHECK_INT(eventlog_head(second).seq, 1);
	CHECK(eventlog_head(second).hash == log_hash(SLICE("{a}")));
	CHECK_INT(append(second, "{x}\n", &n), -EROFS);
	eventlog_close(second);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* A sealed file that is not what was sealed is not archived as if it were: the offsets behind it would move. */
static void test_changed_sealed(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s, &reports);
	CHECK_INT(append(log, "{a}\n{b}\n", &n), 0);
	CHECK_INT(eventlog_seal(log), 0);
	CHECK_INT(append(log, "{c}\n", &n), 0);
	int fd = s.disk.open(&s.disk, -1, "app.jsonl.sealed", O_RDWR, 0);
	CHECK_INT(s.disk.truncate(&s.disk, fd, 4), 0);
	CHECK_INT(eventlog_archive(log, NULL), -EIO);
	CHECK_INT(s.disk.pwrite(&s.disk, fd, "{b}\n", 4, 4), 4);
	CHECK_INT(eventlog_archive(log, NULL), 0);
	CHECK_INT(eventlog_head(log).off, 12);
	s.disk.close(&s.disk, fd);
	eventlog_close(log);
	log = open_log(&s, &reports);
	CHECK_INT(eventlog_head(log).off, 12);
	CHECK_INT(reports, 0);
	eventlog_close(log);
	simdisk_deinit(&s);
}

int main(void)
{
	test_append();
	test_changed_sealed();
	check_torn("{a}\n{b}", "{a}\n{b}\n", NULL);
	check_torn("{a}\n{b", "{a}\n", "{b\n");
	check_torn("{b", "", "{b\n");
	test_full();
	test_failed();
	test_locked();
	return 0;
}
