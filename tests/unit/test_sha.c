/* The SHA-256 of history, stored in the archive's records and gone on with, against sha256sum(1); and records
 * that tell a wrong one. */
#include <errno.h>
#include <stdio.h>

#include "archive_all.h"
#include "base/buf.h"
#include "check.h"
#include "simdisk.h"
#include "store/eventlog.h"
#include "store/history_sha.h"

static const struct eventlog_options options = {.frame_bytes = 500};

/* By another program. */
static void sha256sum(const char *data, size_t len, char ret[static SHA_TEXT + 1])
{
	char path[] = "/tmp/eventfold-sha.XXXXXX", command[64];
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w"), *pipe;

	CHECK(file && fwrite(data, 1, len, file) == len);
	CHECK_INT(fclose(file), 0);
	snprintf(command, sizeof(command), "sha256sum <%s", path);
	pipe = popen(command, "r");
	CHECK(pipe && fread(ret, 1, SHA_TEXT, pipe) == SHA_TEXT);
	ret[SHA_TEXT] = '\0';
	CHECK_INT(pclose(pipe), 0);
	CHECK_INT(remove(path), 0);
}

/* Stored and gone on with at every place. */
static void test_stored(void)
{
	char data[200], want[SHA_TEXT + 1], got[SHA_TEXT + 1];
	struct record_sha stored = {0};
	struct sha256_ctx sha;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + 3);
	sha256sum(data, sizeof(data), want);
	CHECK(!sha_is_known(&stored));
	CHECK(!sha_resume(&sha, &stored, 1));
	sha_begin(&stored);
	CHECK(sha_is_known(&stored));
	for (size_t at = 0; at <= sizeof(data); at++) {
		CHECK(sha_resume(&sha, &(struct record_sha){0}, 0));
		sha256_update(&sha, at, (const uint8_t *)data);
		sha_store(&sha, &stored);
		memset(&sha, 0xa5, sizeof(sha));
		CHECK(sha_resume(&sha, &stored, at));
		sha256_update(&sha, sizeof(data) - at, (const uint8_t *)data + at);
		sha_text(&sha, got);
		CHECK_STR(got, want);
	}
}

static struct eventlog *open_log(struct simdisk *s)
{
	struct eventlog *log;

	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	return log;
}

static void append(struct eventlog *log, struct buf *history, unsigned lines, uint64_t *random)
{
	size_t from = history->len, done;

	for (unsigned i = 0; i < lines; i++)
		buf_printf(history, "{\"n\":%" PRIu64 ",\"%.*s\"}\n", sim_random(random),
			   (int)(sim_random(random) % 60),
			   "------------------------------------------------------------");
	CHECK_INT(eventlog_append(log, slice_skip(buf_slice(history), from), true, &done), 0);
}

static void rotate(struct eventlog *log)
{
	CHECK_INT(eventlog_seal(log), 0);
	CHECK_INT(archive_all(log, NULL), 0);
}

/* What the archive says, which has to be true; how far it goes. */
static uint64_t check_seek(struct eventlog *log, struct simdisk *s, const struct buf *history)
{
	char want[SHA_TEXT + 1], got[SHA_TEXT + 1];
	struct log_files files;
	struct sha256_ctx sha;
	uint64_t off;

	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(sha_seek(&s->disk, files.archive_fd, files.archive_size, &sha, &off), 0);
	log_files_deinit(&files);
	CHECK(off <= history->len);
	sha256sum(history->data, off, want);
	sha_text(&sha, got);
	CHECK_STR(got, want);
	return off;
}

static bool is_proven(struct eventlog *log)
{
	struct eventlog_stats stats;

	eventlog_stats(log, &stats);
	return stats.proven;
}

/* Over rotations and lives of the log. */
static void test_rotations(void)
{
	auto_buf struct buf history = {0};
	struct simdisk s;
	uint64_t random = 1, archived = 0;

	simdisk_init(&s);
	for (unsigned round = 0; round < 20; round++) {
		struct eventlog *log = open_log(&s);
		append(log, &history, 1 + round * 3, &random);
		CHECK_INT(check_seek(log, &s, &history), archived);
		rotate(log);
		CHECK(is_proven(log));
		CHECK_INT(check_seek(log, &s, &history), history.len);
		archived = history.len;
		eventlog_close(log);
	}
	simdisk_deinit(&s);
}

/* Writes every record anew, changed by `change`, with a sum that holds. */
static void change_records(struct simdisk *s, bool (*change)(struct record *rec, uint64_t n))
{
	char *data;
	size_t len;
	uint64_t n = 0;

	CHECK(simdisk_content(s, "archive.jsonl.zst", &data, &len));
	for (size_t at = 0; at + RECORD_SIZE <= len; at++) {
		struct record rec;
		if (!record_read(&rec, (unsigned char *)data + at, len - at, at))
			continue;
		if (change(&rec, n++))
			record_write(&rec, (unsigned char *)data + at);
		at += RECORD_SIZE - 1;
	}
	simdisk_put(s, "archive.jsonl.zst", data, len);
	free(data);
}

static bool forget(struct record *rec, uint64_t n)
{
	rec->sha = (struct record_sha){0};
	return true;
}

static bool garble_end(struct record *rec, uint64_t n)
{
	rec->sha.state[5] ^= 1;
	return rec->kind == RECORD_END;
}

static bool garble_rest(struct record *rec, uint64_t n)
{
	bool is_end = rec->kind == RECORD_END;

	rec->sha = is_end ? rec->sha : (struct record_sha){0};
	if (is_end)
		rec->sha.rest[0] ^= 1;
	return true;
}

static void rotated_log(struct simdisk *s, struct buf *history, uint64_t *random)
{
	simdisk_init(s);
	struct eventlog *log = open_log(s);
	append(log, history, 50, random);
	rotate(log);
	append(log, history, 31, random);
	rotate(log);
	/* So that there is a rest. */
	while (history->len % 64 == 0)
		append(log, history, 1, random), rotate(log);
	eventlog_close(log);
}

/* An archive that knows none, as those of earlier versions: it stays so in rotations, until it is told, and
 * then all that follows know it. */
static void test_told(void)
{
	auto_buf struct buf history = {0};
	struct record_sha stored;
	struct sha256_ctx sha;
	struct simdisk s;
	uint64_t random = 2, begin;

	rotated_log(&s, &history, &random);
	change_records(&s, forget);
	struct eventlog *log = open_log(&s);
	CHECK(!is_proven(log));
	append(log, &history, 10, &random);
	rotate(log);
	CHECK_INT(check_seek(log, &s, &history), 0);
	sha256_init(&sha);
	sha256_update(&sha, history.len, (const uint8_t *)history.data);
	sha_store(&sha, &stored);
	/* Of another place it is no use. */
	eventlog_note_sha(log, history.len - 1, &stored);
	CHECK_INT(eventlog_archive_write(log, &begin, NULL), 1);
	CHECK(!is_proven(log));
	eventlog_note_sha(log, history.len, &stored);
	CHECK_INT(eventlog_archive_write(log, &begin, NULL), 1);
	CHECK(is_proven(log));
	CHECK_INT(check_seek(log, &s, &history), history.len);
	append(log, &history, 10, &random);
	rotate(log);
	CHECK_INT(check_seek(log, &s, &history), history.len);
	eventlog_close(log);
	log = open_log(&s);
	append(log, &history, 10, &random);
	rotate(log);
	CHECK_INT(check_seek(log, &s, &history), history.len);
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* Told of where the archive will end: the rotation's last record knows it. */
static void test_told_before(void)
{
	auto_buf struct buf history = {0};
	struct record_sha stored;
	struct sha256_ctx sha;
	struct simdisk s;
	uint64_t random = 3;

	rotated_log(&s, &history, &random);
	change_records(&s, forget);
	struct eventlog *log = open_log(&s);
	append(log, &history, 10, &random);
	sha256_init(&sha);
	sha256_update(&sha, history.len, (const uint8_t *)history.data);
	sha_store(&sha, &stored);
	eventlog_note_sha(log, history.len, &stored);
	rotate(log);
	CHECK(is_proven(log));
	CHECK_INT(check_seek(log, &s, &history), history.len);
	eventlog_close(log);
	simdisk_deinit(&s);
}

static unsigned reports;

static void report(void *arg, const char *text)
{
	CHECK(strstr(text, "SHA-256"));
	reports++;
}

/* What is not that of the last frame is neither believed nor gone on with. */
static void test_wrong(bool (*change)(struct record *rec, uint64_t n))
{
	const struct eventlog_options with_report = {.frame_bytes = 500, .report = report};
	auto_buf struct buf history = {0};
	struct eventlog *log;
	struct simdisk s;
	uint64_t random = 4;

	rotated_log(&s, &history, &random);
	change_records(&s, change);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &with_report, NULL), 0);
	CHECK_INT(check_seek(log, &s, &history), 0);
	append(log, &history, 10, &random);
	reports = 0;
	rotate(log);
	CHECK_INT(reports, 1);
	CHECK(!is_proven(log));
	eventlog_close(log);
	simdisk_deinit(&s);
}

/* Everywhere: in the archive, in what waits for it, in the active log. */
static void test_history(void)
{
	auto_buf struct buf history = {0};
	char want[SHA_TEXT + 1], got[SHA_TEXT + 1];
	struct sha256_ctx sha, running;
	struct simdisk s;
	uint64_t random = 5, at = 0;

	rotated_log(&s, &history, &random);
	struct eventlog *log = open_log(&s);
	append(log, &history, 20, &random);
	CHECK_INT(eventlog_seal(log), 0);
	append(log, &history, 20, &random);
	sha256_init(&running);
	for (; at <= history.len; at++) {
		CHECK_INT(history_sha(log, &s.disk, at, &sha), 0);
		sha_text(&sha, got);
		sha_text(&running, want);
		CHECK_STR(got, want);
		sha256_update(&running, at < history.len, (const uint8_t *)history.data + at);
	}
	CHECK_INT(history_sha(log, &s.disk, at, &sha), -ERANGE);
	eventlog_close(log);
	simdisk_deinit(&s);
}

int main(void)
{
	test_stored();
	test_rotations();
	test_history();
	test_told();
	test_told_before();
	test_wrong(garble_end);
	test_wrong(garble_rest);
	return 0;
}
