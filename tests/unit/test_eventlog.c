#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/buf.h"
#include "archive_all.h"
#include "check_file.h"
#include "store/eventlog_impl.h"
#include "store/reader.h"

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

static void write_ahead(struct eventlog *log, const char *text, int want)
{
	CHECK_INT(eventlog_write_ahead(log, slice_of(text), true), want);
}

/* What is written ahead is in the file, and in the log only once it is appended. */
static void test_ahead(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s, &reports);
	CHECK_INT(append(log, "{a}\n", &n), 0);
	write_ahead(log, "{b}\n", 0);
	write_ahead(log, "{c}\n{d}\n", 0);
	check_file(&s, "app.jsonl", "{a}\n{b}\n{c}\n{d}\n");
	CHECK_INT(eventlog_head(log).off, 4);
	uint64_t changes = s.changes;
	CHECK_INT(append(log, "{b}\n{c}\n{d}\n{e}\n", &n), 0);
	CHECK_INT(s.changes - changes, 2);
	CHECK_INT(n, 16);
	check_file(&s, "app.jsonl", "{a}\n{b}\n{c}\n{d}\n{e}\n");
	CHECK(eventlog_head(log).seq == 5 && eventlog_head(log).hash == log_hash(SLICE("{e}")));
	/* All of it. */
	write_ahead(log, "{f}\n", 0);
	CHECK_INT(append(log, "{f}\n", &n), 0);
	CHECK_INT(eventlog_head(log).off, 24);
	/* Nothing comes of it, and the power goes. */
	write_ahead(log, "{g}\n", 0);
	eventlog_drop_ahead(log);
	check_file(&s, "app.jsonl", "{a}\n{b}\n{c}\n{d}\n{e}\n{f}\n");
	eventlog_drop_ahead(log);
	eventlog_close(log);
	simdisk_reboot(&s, 1);
	log = open_log(&s, &reports);
	CHECK_INT(eventlog_head(log).seq, 6);
	CHECK_INT(append(log, "{h}\n", &n), 0);
	CHECK_INT(reports, 0);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* On a disk that fills up what is stored is the same, however much of it was written ahead. */
static void test_ahead_full(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	for (uint64_t room = 0; room <= 12; room++) {
		simdisk_init(&s);
		struct eventlog *log = open_log(&s, &reports);
		s.room = room;
		int r = eventlog_write_ahead(log, SLICE("{a}\n"), true);
		CHECK_INT(r, room < 4 ? -ENOSPC : 0);
		if (r == 0)
			CHECK_INT(eventlog_write_ahead(log, SLICE("{b}\n"), true), room < 8 ? -ENOSPC : 0);
		CHECK_INT(append(log, "{a}\n{b}\n{c}\n", &n), room < 12 ? -ENOSPC : 0);
		CHECK_INT(n, room / 4 * 4);
		CHECK_INT(eventlog_head(log).off, n);
		CHECK_INT((int)s.disk.size(&s.disk, log->active_fd), (int)n);
		eventlog_close(log);
		simdisk_deinit(&s);
	}
	CHECK_INT(reports, 0);
}

/* The power goes at any change: what was acknowledged is there. */
static void test_ahead_power(void)
{
	for (uint64_t stop = 1; stop < 12; stop++) {
		for (uint64_t seed = 0; seed < 40; seed++) {
			struct simdisk s;
			int reports = 0;
			size_t n;
			simdisk_init(&s);
			struct eventlog *log = open_log(&s, &reports);
			CHECK_INT(append(log, "{a}\n", &n), 0);
			s.stop_at = stop;
			bool ahead = eventlog_write_ahead(log, SLICE("{b}\n"), true) == 0 &&
				     eventlog_write_ahead(log, SLICE("{c}\n"), true) == 0;
			bool in = ahead && append(log, "{b}\n{c}\n{d}\n", &n) == 0;
			eventlog_close(log);
			simdisk_reboot(&s, seed);
			log = open_log(&s, &reports);
			uint64_t off = eventlog_head(log).off;
			CHECK(in ? off == 16 : off >= 4 && off <= 16 && off % 4 == 0);
			eventlog_close(log);
			simdisk_deinit(&s);
		}
	}
}

/* A disk that fails, and somebody else who writes there. */
static void test_ahead_failed(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	for (int other = 0; other < 2; other++) {
		simdisk_init(&s);
		struct eventlog *log = open_log(&s, &reports);
		CHECK_INT(append(log, "{a}\n", &n), 0);
		write_ahead(log, "{b}\n", 0);
		if (other) {
			CHECK_INT(s.disk.pwrite(&s.disk, log->active_fd, "{x}\n", 4, 8), 4);
			write_ahead(log, "{c}\n", -EROFS);
		} else {
			s.fail_at = 2;
			s.fail_error = -EIO;
			write_ahead(log, "{c}\n", -EIO);
		}
		CHECK_INT(append(log, "{b}\n{c}\n", &n), -EROFS);
		eventlog_drop_ahead(log);
		check_file(&s, "app.jsonl", other ? "{a}\n{b}\n{x}\n" : "{a}\n");
		CHECK_INT(reports, other + 1);
		eventlog_close(log);
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

	for (uint64_t at = 1; at <= 3; at++) {
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
	CHECK_INT(archive_all(log, &diag), 0);
	CHECK_INT(archive_all(log, &diag), 1);
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

static unsigned asked; /* so often somebody who only asks has had the lock */

static int lock_but_for_who_asks(struct disk *d, int fd)
{
	return asked > 0 ? asked--, 1 : disk_posix.lock(&disk_posix, fd);
}

/* Who asks whether there is a writer is not taken for one: neither by another who asks, nor by a writer. */
static void test_asked(void)
{
	struct eventlog_options options = {.read_only = true};
	struct eventlog *reader, *log;
	struct simdisk s;
	int reports = 0;

	simdisk_init(&s);
	simdisk_put(&s, "app.jsonl", "{a}\n", 4);
	CHECK_INT(eventlog_open(&reader, &s.disk, -1, &options, NULL), 0);
	int fd = s.disk.open(&s.disk, -1, "app.jsonl", O_RDONLY, 0);
	CHECK(flock(fd, LOCK_SH | LOCK_NB) == 0);
	CHECK(!eventlog_is_held(reader));
	s.disk.close(&s.disk, fd);
	s.disk.lock = lock_but_for_who_asks;
	asked = 2;
	log = open_log(&s, &reports);
	CHECK(eventlog_is_held(reader));
	eventlog_close(log);
	CHECK(!eventlog_is_held(reader));
	eventlog_close(reader);
	simdisk_deinit(&s);
}

/* Nothing is appended any more, and the reason names the file. */
static void check_read_only(struct eventlog *log, const char *file)
{
	struct log_pos before = eventlog_head(log);
	struct eventlog_stats stats;
	size_t n;

	CHECK_INT(append(log, "{no}\n", &n), -EROFS);
	CHECK_INT(n, 0);
	CHECK_INT(eventlog_seal(log), -EROFS);
	eventlog_stats(log, &stats);
	CHECK(stats.failed && strstr(stats.why, file));
	CHECK_INT(eventlog_head(log).off, before.off);
}

/* All of it can be read, archive and sealed file included. */
static void check_history(struct simdisk *s, struct eventlog *log, const char *want)
{
	uint64_t end = eventlog_head(log).off, skip;
	auto_buf struct buf got = {0};
	struct log_files files;
	struct reader *reader;
	size_t n;

	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(reader_new(&reader, &s->disk, &files), 0);
	CHECK_INT(buf_reserve(&got, end), 0);
	for (; got.len < end; got.len += n) {
		CHECK_INT(reader_read(reader, got.len, end, got.data + got.len, end - got.len, &n, &skip), 0);
		CHECK(n > 0);
	}
	CHECK_MEM(got.data, got.len, want, strlen(want));
	reader_free(reader);
}

/* What somebody else does to a file while the log is open. */
enum misdeed { MOVED, REPLACED, CUT, LONGER, MISDEEDS };

static void disturb(struct simdisk *s, const char *name, enum misdeed how)
{
	char *content;
	size_t len;

	CHECK(simdisk_content(s, name, &content, &len));
	if (how == MOVED || how == REPLACED)
		simdisk_remove(s, name);
	if (how != MOVED) { /* under the same inode, or as a new file */
		content = realloc(content, len + 4);
		CHECK(content);
		memcpy(content + len, "{y}\n", 4);
		if (how == REPLACED) /* by something else */
			content[len - 1] ^= 1;
		simdisk_put(s, name, content, how == CUT ? len - 1 : how == LONGER ? len + 4 : len);
	}
	free(content);
}

static void undo(struct simdisk *s, const char *name, const char *content, size_t len)
{
	simdisk_remove(s, name);
	simdisk_put(s, name, content, len);
}

/* Nothing is acknowledged that goes into a file which nobody will find, or over what is another's. */
static void test_disturbed_active(void)
{
	struct simdisk s;
	size_t n;

	for (unsigned how = 0; how < MISDEEDS; how++) {
		for (unsigned by_sync = 0; by_sync < 2; by_sync++) {
			int reports = 0;
			simdisk_init(&s);
			struct eventlog *log = open_log(&s, &reports);
			CHECK_INT(append(log, "{a}\n", &n), 0);
			disturb(&s, "app.jsonl", how);
			if (by_sync)
				CHECK_INT(eventlog_sync(log), -EROFS);
			check_read_only(log, "app.jsonl");
			CHECK_INT(reports, 1);
			eventlog_close(log);
			if (how == LONGER)
				check_file(&s, "app.jsonl", "{a}\n{y}\n");
			undo(&s, "app.jsonl", "{a}\n", 4);
			log = open_log(&s, &reports);
			CHECK_INT(append(log, "{b}\n", &n), 0);
			check_history(&s, log, "{a}\n{b}\n");
			eventlog_close(log);
			simdisk_deinit(&s);
		}
	}
}

/* The archive, before a rotation and in the middle of one. It is never made longer, nor cut, nor made anew,
 * and what is sealed stays. */
static void test_disturbed_archive(void)
{
	struct simdisk s;
	char *before, *after;
	size_t n, len, after_len;

	for (unsigned how = 0; how < MISDEEDS; how++) {
		for (unsigned sealed = 0; sealed < 2; sealed++) {
			int reports = 0;
			simdisk_init(&s);
			struct eventlog *log = open_log(&s, &reports);
			CHECK_INT(append(log, "{a}\n", &n), 0);
			CHECK_INT(eventlog_seal(log), 0);
			CHECK_INT(archive_all(log, NULL), 0);
			CHECK_INT(append(log, "{b}\n", &n), 0);
			if (sealed)
				CHECK_INT(eventlog_seal(log), 0);
			CHECK(simdisk_content(&s, "archive.jsonl.zst", &before, &len));
			disturb(&s, "archive.jsonl.zst", how);
			char *disturbed = NULL;
			bool there = simdisk_content(&s, "archive.jsonl.zst", &disturbed, &n);
			CHECK_INT(sealed ? archive_all(log, NULL) : eventlog_seal(log), -EROFS);
			check_read_only(log, "archive.jsonl.zst");
			CHECK_INT(archive_all(log, NULL), -EROFS);
			CHECK(simdisk_content(&s, "archive.jsonl.zst", &after, &after_len) == there);
			if (there) {
				CHECK_MEM(after, after_len, disturbed, n);
				free(after);
				free(disturbed);
			}
			check_file(&s, sealed ? "app.jsonl.sealed" : "app.jsonl", "{b}\n");
			eventlog_close(log);
			/* It is put back. */
			undo(&s, "archive.jsonl.zst", before, len);
			free(before);
			log = open_log(&s, &reports);
			CHECK_INT(archive_all(log, NULL), sealed ? 0 : 1);
			CHECK_INT(append(log, "{c}\n", &n), 0);
			check_history(&s, log, "{a}\n{b}\n{c}\n");
			eventlog_close(log);
			simdisk_deinit(&s);
		}
	}
}

/* A copy of the archive in its place is as good; what reads goes on with it. */
static void test_copied_archive(void)
{
	struct simdisk s;
	char *content;
	int reports = 0;
	size_t n, len;

	for (unsigned sealed = 0; sealed < 2; sealed++) {
		simdisk_init(&s);
		struct eventlog *log = open_log(&s, &reports);
		CHECK_INT(append(log, "{a}\n", &n), 0);
		CHECK_INT(eventlog_seal(log), 0);
		CHECK_INT(archive_all(log, NULL), 0);
		CHECK_INT(append(log, "{b}\n", &n), 0);
		if (sealed)
			CHECK_INT(eventlog_seal(log), 0);
		CHECK(simdisk_content(&s, "archive.jsonl.zst", &content, &len));
		undo(&s, "archive.jsonl.zst", content, len);
		free(content);
		CHECK_INT(eventlog_seal(log), sealed);
		CHECK_INT(archive_all(log, NULL), 0);
		CHECK_INT(append(log, "{c}\n", &n), 0);
		check_history(&s, log, "{a}\n{b}\n{c}\n");
		eventlog_close(log);
		log = open_log(&s, &reports);
		check_history(&s, log, "{a}\n{b}\n{c}\n");
		CHECK_INT(reports, 0);
		eventlog_close(log);
		simdisk_deinit(&s);
	}
}

/* An archive that was put there where there was none. */
static void test_foreign_archive(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s, &reports);
	CHECK_INT(append(log, "{a}\n", &n), 0);
	CHECK_INT(eventlog_seal(log), 0);
	simdisk_put(&s, "archive.jsonl.zst", "other", 5);
	CHECK_INT(archive_all(log, NULL), -EROFS);
	check_read_only(log, "archive.jsonl.zst");
	check_file(&s, "archive.jsonl.zst", "other");
	check_file(&s, "app.jsonl.sealed", "{a}\n");
	eventlog_close(log);
	simdisk_deinit(&s);
}

static int no_truncate(struct disk *d, int fd, off_t size)
{
	(void)d, (void)fd, (void)size;
	CHECK(!"cut");
	return -EIO;
}

/* The sealed file is gone, but not what was in it: the archive has it, and must not be cut back for the want
 * of something to remove. */
static void test_removed_sealed(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s, &reports);
	CHECK_INT(append(log, "{a}\n", &n), 0);
	CHECK_INT(eventlog_seal(log), 0);
	simdisk_remove(&s, "app.jsonl.sealed");
	CHECK_INT(archive_all(log, NULL), 0);
	CHECK_INT(append(log, "{b}\n", &n), 0);
	check_history(&s, log, "{a}\n{b}\n");
	eventlog_close(log);
	log = open_log(&s, &reports);
	check_history(&s, log, "{a}\n{b}\n");
	CHECK_INT(reports, 0);
	eventlog_close(log);
	/* A try that failed behind that: the next one must not cut off what by then is all there is, not even
	 * to write it anew. */
	log = open_log(&s, &reports);
	CHECK_INT(eventlog_seal(log), 0);
	simdisk_remove(&s, "app.jsonl.sealed");
	s.disk.truncate = no_truncate;
	uint64_t calls = s.calls;
	for (unsigned at = 1; at < 1000; at++) {
		s.fail_at = at;
		s.fail_error = -EMFILE;
		if (archive_all(log, NULL) == 0)
			break;
		CHECK(s.fail_at == 0);
	}
	s.fail_at = 0;
	CHECK(s.calls > calls + 20);
	check_history(&s, log, "{a}\n{b}\n");
	eventlog_close(log);
	simdisk_restart(&s);
	log = open_log(&s, &reports);
	check_history(&s, log, "{a}\n{b}\n");
	CHECK_INT(append(log, "{c}\n", &n), 0);
	eventlog_close(log);
	/* Another file in its place: that one is not removed, and what was sealed stays in the archive. */
	log = open_log(&s, &reports);
	CHECK_INT(eventlog_seal(log), 0);
	simdisk_remove(&s, "app.jsonl.sealed");
	simdisk_put(&s, "app.jsonl.sealed", "{other}\n", 8);
	CHECK_INT(archive_all(log, NULL), -EROFS);
	check_file(&s, "app.jsonl.sealed", "{other}\n");
	eventlog_close(log);
	simdisk_remove(&s, "app.jsonl.sealed");
	log = open_log(&s, &reports);
	check_history(&s, log, "{a}\n{b}\n{c}\n");
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* A sealed file that is not what was sealed is not archived as if it were: the offsets behind it would move.
 */
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
	CHECK_INT(archive_all(log, NULL), -EIO);
	check_read_only(log, "app.jsonl.sealed");
	CHECK_INT(archive_all(log, NULL), -EROFS);
	CHECK_INT(s.disk.pwrite(&s.disk, fd, "{b}\n", 4, 4), 4);
	s.disk.close(&s.disk, fd);
	eventlog_close(log);
	log = open_log(&s, &reports);
	CHECK_INT(archive_all(log, NULL), 0);
	check_history(&s, log, "{a}\n{b}\n{c}\n");
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* Under the name that a rotation gives to the active log is a file that is none of the log's: it is not
 * replaced. */
static void test_foreign_sealed(void)
{
	struct simdisk s;
	int reports = 0;
	size_t n;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s, &reports);
	CHECK_INT(append(log, "{a}\n", &n), 0);
	simdisk_put(&s, "app.jsonl.sealed", "{other}\n", 8);
	CHECK_INT(eventlog_seal(log), -EEXIST);
	check_file(&s, "app.jsonl.sealed", "{other}\n");
	CHECK_INT(append(log, "{b}\n", &n), 0);
	simdisk_remove(&s, "app.jsonl.sealed");
	CHECK_INT(eventlog_seal(log), 0);
	CHECK_INT(archive_all(log, NULL), 0);
	check_history(&s, log, "{a}\n{b}\n");
	CHECK_INT(reports, 0);
	eventlog_close(log);
	simdisk_deinit(&s);
}

int main(void)
{
	test_append();
	test_changed_sealed();
	test_foreign_sealed();
	test_disturbed_active();
	test_disturbed_archive();
	test_copied_archive();
	test_foreign_archive();
	test_removed_sealed();
	check_torn("{a}\n{b}", "{a}\n{b}\n", NULL);
	check_torn("{a}\n{b", "{a}\n", "{b\n");
	check_torn("{b", "", "{b\n");
	test_full();
	test_failed();
	test_ahead();
	test_ahead_full();
	test_ahead_power();
	test_ahead_failed();
	test_locked();
	test_asked();
	return 0;
}
