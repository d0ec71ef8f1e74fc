#include "store/reader.h"

#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "archive_all.h"
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
			CHECK_INT(archive_all(f->log, NULL), 0);
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
	CHECK_INT(archive_all(f.log, NULL), 0);
	add_lines(&f, 3, 10);
	CHECK_INT(eventlog_files(f.log, &files), 0);
	CHECK_INT(reader_update(r, &files), 0);
	check_seeks(&f, r);
	check_range(&f, r, f.text.len - 2000, 2000);
	reader_free(r);
	teardown(&f);
}

/* Each byte of the archive is damaged in turn: what is read is right, or it is an error, and reading goes on
 * behind it. */
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
		uint64_t lost = 0, lost_events = 0, came = 0;
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
			lost_events += err ? damage.events : 0;
			CHECK(!err || (damage.counted && damage.seq + damage.events == cursor.pos.seq));
			if (err)
				continue;
			if (block.len == 0)
				break;
			CHECK(cursor.pos.off + block.len <= f.text.len);
			CHECK(memcmp(f.text.data + cursor.pos.off, block.data, block.len) == 0);
			for (const char *at = block.data, *end = at + block.len; at < end; came++) {
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
		CHECK_INT(came + lost_events, f.n);
		cursor_deinit(&cursor);
		reader_free(r);
		eventlog_close(f.log);
	}
	free(archive);
	simdisk_deinit(&f.s);
	buf_deinit(&f.text);
}

/* Feeds the cursor's whole history to `out`; the first error is returned, and what came before it has come.
 */
static int copy_all(struct cursor *c, uint64_t end, struct buf *out)
{
	struct log_damage damage;
	struct slice block;

	for (;;) {
		int r = cursor_fill(c, end, &block, &damage);
		if (r != 0 || block.len == 0)
			return r;
		buf_add_slice(out, block);
		for (const char *at = block.data, *stop = at + block.len; at < stop;) {
			const char *nl = memchr(at, '\n', (size_t)(stop - at));
			cursor_advance(c, (size_t)(nl - at));
			at = nl + 1;
		}
	}
}

/* Each call to the disk fails once, in several ways, and then it is good again: nothing is taken for damage,
 * nothing is left out, nothing comes twice. */
static void test_failed_reads(void)
{
	static const int errors[] = {-EIO, -EINTR, -ENOMEM, -EAGAIN};
	struct fixture f;
	unsigned failures = 0;

	setup(&f);
	for (uint64_t n = 1;; n++) {
		struct log_pos zero = {0};
		auto_buf struct buf got = {0};
		struct reader *r = open_reader(&f);
		struct cursor c;
		cursor_init(&c, r, &zero);
		f.s.fail_at = n;
		f.s.fail_error = errors[n % countof(errors)];
		int err = copy_all(&c, f.text.len, &got);
		bool failed = f.s.fail_at == 0;
		CHECK_INT(err, failed ? f.s.fail_error : 0);
		f.s.fail_at = 0;
		if (failed)
			CHECK_INT(copy_all(&c, f.text.len, &got), 0);
		CHECK_MEM(got.data, got.len, f.text.data, f.text.len);
		CHECK(c.pos.off == f.text.len && c.pos.seq == f.n);
		cursor_deinit(&c);
		reader_free(r);
		failures += failed;
		if (!failed)
			break;
	}
	CHECK(failures > 50);
	teardown(&f);
}

/* The archive is shorter for a while, as when it is copied over itself. */
static void test_cut_for_a_while(void)
{
	struct log_pos zero = {0};
	auto_buf struct buf got = {0};
	struct fixture f;
	struct cursor c;
	char *archive;
	size_t len;

	setup(&f);
	CHECK(simdisk_content(&f.s, "archive.jsonl.zst", &archive, &len));
	for (size_t cut = 0; cut < len; cut += 97) {
		struct reader *r = open_reader(&f);
		cursor_init(&c, r, &zero);
		buf_clear(&got);
		simdisk_put(&f.s, "archive.jsonl.zst", archive, cut);
		CHECK_INT(copy_all(&c, f.text.len, &got), -EIO);
		simdisk_put(&f.s, "archive.jsonl.zst", archive, len);
		CHECK_INT(copy_all(&c, f.text.len, &got), 0);
		CHECK_MEM(got.data, got.len, f.text.data, f.text.len);
		cursor_deinit(&c);
		reader_free(r);
	}
	free(archive);
	teardown(&f);
}

int main(void)
{
	test_read();
	test_damage();
	test_failed_reads();
	test_cut_for_a_while();
	return 0;
}
