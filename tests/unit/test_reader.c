#include "store/reader.h"

#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "check.h"
#include "simdisk.h"
#include "store/cursor.h"
#include "store/eventlog.h"

/* A log over archive, sealed and active file, and the same lines in an array. */
struct fixture {
	struct simdisk s;
	struct eventlog *log;
	struct buf text;
	uint64_t ends[1000]; /* of each line */
	size_t n;
};

static void add_lines(struct fixture *f, unsigned count, unsigned width)
{
	for (unsigned i = 0; i < count; i++) {
		size_t from = f->text.len, done;
		buf_printf(
		    &f->text, "{\"n\":%zu,\"%.*s\"}\n", f->n, (int)(1 + (f->n * 31) % width),
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		f->ends[f->n++] = f->text.len;
		struct slice line = {f->text.data + from, f->text.len - from};
		CHECK_INT(eventlog_append(f->log, line, false, &done), 0);
	}
}

static void setup(struct fixture *f)
{
	simdisk_init(&f->s);
	f->text = (struct buf){0};
	f->n = 0;
	struct eventlog_options options = {.frame_bytes = 500};
	CHECK_INT(eventlog_open(&f->log, &f->s.disk, -1, &options, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		add_lines(f, 70, 60);
		CHECK_INT(eventlog_seal(f->log), 0);
		add_lines(f, 5, 60);
		if (i < 2)
			CHECK_INT(eventlog_archive(f->log, NULL), 0);
	}
}

static void teardown(struct fixture *f)
{
	eventlog_close(f->log);
	simdisk_deinit(&f->s);
	buf_deinit(&f->text);
}

static struct reader *open_reader(struct fixture *f)
{
	struct log_files files;
	struct reader *r;

	CHECK_INT(eventlog_files(f->log, &files), 0);
	CHECK_INT(reader_new(&r, &f->s.disk, &files), 0);
	return r;
}

static void check_range(struct fixture *f, struct reader *r, uint64_t off, size_t len)
{
	char got[3000];
	size_t n, done = 0;
	uint64_t skip;

	while (done < len) {
		CHECK_INT(reader_read(r, off + done, f->text.len, got + done, len - done, &n, &skip), 0);
		CHECK(n > 0);
		done += n;
	}
	CHECK_MEM(got, len, f->text.data + off, len);
}

static void check_seeks(struct fixture *f, struct reader *r)
{
	struct log_pos pos;

	for (size_t i = 0; i < f->n; i++) {
		uint64_t begin = i ? f->ends[i - 1] : 0;
		uint64_t hash = log_hash((struct slice){f->text.data + begin, f->ends[i] - begin - 1});
		CHECK_INT(reader_seek_seq(r, i + 1, f->text.len, &pos), 0);
		CHECK(pos.off == f->ends[i] && pos.seq == i + 1 && pos.hash == hash);
		CHECK_INT(reader_seek_off(r, f->ends[i], f->text.len, &pos), 0);
		CHECK(pos.off == f->ends[i] && pos.seq == i + 1 && pos.hash == hash);
		CHECK_INT(reader_seek_off(r, f->ends[i] - 1, f->text.len, &pos), 1);
	}
	CHECK_INT(reader_seek_seq(r, f->n + 1, f->text.len, &pos), 1);
	CHECK_INT(reader_seek_off(r, f->text.len + 1, f->text.len, &pos), 1);
	CHECK_INT(reader_seek_seq(r, 0, f->text.len, &pos), 0);
	CHECK(pos.off == 0 && pos.seq == 0);
}

static void test_read(void)
{
	struct fixture f;
	uint64_t random = 1, sum;

	setup(&f);
	struct reader *r = open_reader(&f);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t off = sim_random(&random) % f.text.len;
		check_range(&f, r, off,
			    (size_t)(sim_random(&random) % min((uint64_t)3000, f.text.len - off)));
	}
	check_seeks(&f, r);
	uint64_t active = f.ends[f.n - 6];
	CHECK_INT(reader_checksum(r, active - 1, &sum), -ERANGE);
	/* Up and down again. */
	for (size_t i = f.n - 6; i < f.n; i++) {
		CHECK_INT(reader_checksum(r, f.ends[i], &sum), 0);
		CHECK(sum == log_hash((struct slice){f.text.data + active, f.ends[i] - active}));
	}
	CHECK_INT(reader_checksum(r, active, &sum), 0);
	CHECK(sum == log_hash(SLICE("")));
	/* The layout changes beneath it. */
	struct log_files files;
	CHECK_INT(eventlog_archive(f.log, NULL), 0);
	add_lines(&f, 3, 10);
	CHECK_INT(eventlog_files(f.log, &files), 0);
	CHECK_INT(reader_update(r, &files), 0);
	check_seeks(&f, r);
	check_range(&f, r, f.text.len - 2000, 2000);
	reader_free(r);
	teardown(&f);
}

/* Each byte of the archive is damaged in turn: what is read is right, or it is an error, and reading goes on behind it. */
static void test_damage(void)
{
	struct fixture f;
	char *archive;
	size_t len;

	setup(&f);
	CHECK(simdisk_content(&f.s, "archive.jsonl.zst", &archive, &len));
	eventlog_close(f.log);
	for (size_t bit = 0; bit < 8 * len; bit += 5) {
		struct eventlog_options options = {.read_only = true};
		struct log_pos zero = {0};
		struct log_damage damage;
		struct cursor cursor;
		struct slice block;
		uint64_t lost = 0;
		archive[bit / 8] ^= (char)(1 << bit % 8);
		simdisk_put(&f.s, "archive.jsonl.zst", archive, len);
		archive[bit / 8] ^= (char)(1 << bit % 8);
		CHECK_INT(eventlog_open(&f.log, &f.s.disk, -1, &options, NULL), 0);
		struct log_pos head = eventlog_head(f.log);
		struct reader *r = open_reader(&f);
		cursor_init(&cursor, r, &zero);
		for (;;) {
			int err = cursor_fill(&cursor, head.off, &block, &damage);
			CHECK(err >= 0);
			lost += err ? damage.len : 0;
			if (err)
				continue;
			if (block.len == 0)
				break;
			CHECK(cursor.pos.off + block.len <= f.text.len);
			CHECK(memcmp(f.text.data + cursor.pos.off, block.data, block.len) == 0);
			for (const char *at = block.data, *end = at + block.len; at < end;) {
				const char *nl = memchr(at, '\n', (size_t)(end - at));
				cursor_advance(&cursor, (size_t)(nl - at));
				at = nl + 1;
			}
		}
		CHECK_INT(head.off, f.text.len);
		CHECK_INT(head.seq, f.n);
		CHECK_INT(cursor.pos.off, f.text.len);
		CHECK_INT(cursor.pos.seq, f.n);
		CHECK(lost <= 600);
		cursor_deinit(&cursor);
		reader_free(r);
		eventlog_close(f.log);
	}
	free(archive);
	simdisk_deinit(&f.s);
	buf_deinit(&f.text);
}

int main(void)
{
	test_read();
	test_damage();
	return 0;
}
