/* Snapshots: their bytes, what is refused, and whether they fit a log. Sums were computed by another
 * implementation of xxh64, or are xxHash's own. */
#include "archive_all.h"
#include "check.h"

#include <errno.h>
#include <xxhash.h>

#include "base/limits.h"
#include "model/engine/snapshot.h"
#include "simdisk.h"
#include "store/eventlog.h"

static const char some_text[] =
    "{\"state\":{\"a\":1.0,\"b\":\"\xc3\xa9\"},\"offset\":18446744073709551615,\"hash\":\"0123456789abcdef\","
    "\"eventfold\":{\"version\":1,\"reducer\":\"fedcba9876543210\",\"position\":18446744073709551615,"
    "\"events\":7,\"checksum\":\"00000000000000ff\"},\"sum\":\"000bdaa21f78f2fb\"}\n";

static const struct snapshot some = {
    .pos = {UINT64_MAX, 7, 0x0123456789abcdef},
    .offset = UINT64_MAX,
    .checksum = 0xff,
    .reducer = 0xfedcba9876543210,
    .state = {"{\"a\":1.0,\"b\":\"\xc3\xa9\"}", 18},
};

static const char empty_text[] =
    "{\"state\":null,\"offset\":0,\"hash\":\"\",\"eventfold\":{\"version\":1,\"reducer\":"
    "\"0000000000000001\","
    "\"position\":0,\"events\":0,\"checksum\":\"ef46db3751d8e999\"},\"sum\":\"9061c09be5516418\"}\n";

static const struct snapshot empty = {.pos = {0, 0, 0x1234 /* means nothing */},
				      .checksum = 0xef46db3751d8e999,
				      .reducer = 1,
				      .state = {"null", 4}};

static void check_equal(const struct snapshot *got, const struct snapshot *want)
{
	CHECK(got->pos.off == want->pos.off && got->pos.seq == want->pos.seq);
	CHECK(got->pos.off == 0 || got->pos.hash == want->pos.hash);
	CHECK(got->offset == want->offset && got->checksum == want->checksum &&
	      got->reducer == want->reducer);
	CHECK_MEM(got->state.data, got->state.len, want->state.data, want->state.len);
}

static void test_bytes(void)
{
	auto_buf struct buf out = {0};
	struct snapshot got;
	struct diag diag = {0};

	/* It appends, and the sum is of its own bytes. */
	buf_add_str(&out, "before");
	CHECK_INT(snapshot_write(&some, &out), 0);
	CHECK_MEM(out.data + 6, out.len - 6, some_text, strlen(some_text));
	CHECK_INT(snapshot_parse(slice_of(some_text), &got, &diag), 0);
	check_equal(&got, &some);
	CHECK(got.state.data == some_text + 9);

	buf_clear(&out);
	CHECK_INT(snapshot_write(&empty, &out), 0);
	CHECK_MEM(out.data, out.len, empty_text, strlen(empty_text));
	CHECK_INT(snapshot_parse(slice_of(empty_text), &got, &diag), 0);
	check_equal(&got, &empty);
	CHECK_STR(diag.text, "");
}

static void check_refused(struct slice text, const char *why)
{
	struct snapshot got;
	struct diag diag = {0};
	/* A copy of its own size: whoever reads beyond it is caught. */
	auto_free char *copy = malloc(text.len ? text.len : 1);

	CHECK(copy);
	memcpy(copy, text.data, text.len);
	CHECK_INT(snapshot_parse((struct slice){copy, text.len}, &got, &diag), 1);
	if (why)
		CHECK_STR(diag.text, why);
	CHECK(diag.text[0]);
}

static void test_damaged(const char *good)
{
	size_t len = strlen(good);
	char text[512];

	/* Every bit of it. */
	memcpy(text, good, len);
	for (size_t bit = 0; bit < len * 8; bit++) {
		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		check_refused((struct slice){text, len}, NULL);
		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
	}
	/* Every piece of it. */
	for (size_t n = 0; n < len; n++) {
		check_refused((struct slice){good, n}, NULL);
		check_refused((struct slice){good + len - n, n}, NULL);
	}
	/* More than it. */
	memcpy(text, good, len);
	text[len] = '\n';
	check_refused((struct slice){text, len + 1}, NULL);
}

static void test_foreign(void)
{
	static const char other[] = "it was written by another program";
	uint64_t random = 5;
	char text[300];

	/* As the crate writes them. */
	check_refused(SLICE("{\n  \"state\": {\n    \"count\": 3\n  },\n  \"offset\": 213,\n"
			    "  \"hash\": \"ef46db3751d8e999\"\n}"),
		      other);
	check_refused(SLICE("{\"state\":{\"count\":3},\"offset\":213,\"hash\":\"ef46db3751d8e999\"}\n"),
		      other);
	check_refused(SLICE(""), other);
	check_refused(SLICE("\0\0\0\0"), other);
	check_refused(SLICE(",\"sum\":\"ef46db3751d8e999\"}\n"), other);
	check_refused(SLICE("{}"), other);
	for (unsigned i = 0; i < 2000; i++) {
		size_t len = sim_random(&random) % sizeof(text);
		for (size_t k = 0; k < len; k++)
			text[k] = (char)sim_random(&random);
		/* Half of them end as a snapshot does. */
		if (i % 2 && len >= 27)
			memcpy(text + len - 27, ",\"sum\":\"0000000000000000\"}\n", 27);
		check_refused((struct slice){text, len}, NULL);
	}
}

/* A text with the right sum behind it. */
static void seal(struct buf *b)
{
	unsigned long long sum = XXH64(b->data, b->len, 0);

	buf_printf(b, ",\"sum\":\"%016llx\"}\n", sum);
}

static void check_sealed(const char *text, const char *why)
{
	auto_buf struct buf b = {0};

	buf_add_str(&b, text);
	seal(&b);
	check_refused(buf_slice(&b), why);
}

/* The sum is right, but it is not what this program writes: perhaps a newer one has. */
static void test_sealed(void)
{
#define OURS(version, rest) "\"eventfold\":{\"version\":" version rest "}"
#define REST ",\"reducer\":\"0000000000000001\",\"position\":5,\"events\":1,\"checksum\":\"ef46db3751d8e999\""
#define HEAD "{\"state\":1,\"offset\":5,\"hash\":\"ef46db3751d8e999\","
	static const char lacks[] = "it lacks what a snapshot has";
	static const char version[] = "it was written by another version of this program";
	auto_buf struct buf b = {0};
	struct snapshot got;

	buf_add_str(&b, HEAD OURS("1", REST));
	seal(&b);
	CHECK_INT(snapshot_parse(buf_slice(&b), &got, NULL), 0);
	CHECK_INT(got.pos.off, 5);

	check_sealed(HEAD OURS("2", REST), version);
	check_sealed(HEAD OURS("\"1\"", REST), version);
	check_sealed(HEAD "\"eventfold\":[1]", version);
	check_sealed(HEAD "\"eventfold\":1", version);
	check_sealed(HEAD "\"events\":1", version);
	check_sealed("[1", NULL);
	check_sealed("{\"state\":{},,\"offset\":0", NULL);
	check_sealed("{\"state\":\"\xff\"", NULL);
	check_sealed(HEAD OURS("1", ""), lacks);
	check_sealed("{\"offset\":5,\"hash\":\"ef46db3751d8e999\"," OURS("1", REST), lacks);
	check_sealed("{\"state\":1,\"hash\":\"ef46db3751d8e999\"," OURS("1", REST), lacks);
	check_sealed("{\"state\":1,\"offset\":-5,\"hash\":\"ef46db3751d8e999\"," OURS("1", REST), lacks);
	check_sealed("{\"state\":1,\"offset\":5.0,\"hash\":\"ef46db3751d8e999\"," OURS("1", REST), lacks);
	check_sealed(
	    "{\"state\":1,\"offset\":18446744073709551616,\"hash\":\"ef46db3751d8e999\"," OURS("1", REST),
	    lacks);
	check_sealed("{\"state\":1,\"offset\":5,\"hash\":\"\"," OURS("1", REST), lacks);
	check_sealed("{\"state\":1,\"offset\":5,\"hash\":\"EF46DB3751D8E999\"," OURS("1", REST), lacks);
	check_sealed("{\"state\":1,\"offset\":5,\"hash\":123456789012345678," OURS("1", REST), lacks);
	check_sealed("{\"state\":1,\"offset\":5," OURS("1", REST), lacks);
}

/* States of all kinds come back byte for byte; keys inside them are not the file's own. */
static void test_states(void)
{
	static const char *const states[] = {
	    "0",
	    "\"\"",
	    "[]",
	    "{}",
	    "true",
	    "-0.0e-5",
	    "\"\\u00e9 }],\\\"sum\\\":\"",
	    "{\"state\":1,\"offset\":2,\"hash\":\"x\",\"eventfold\":{\"version\":9},\"sum\":\"0\"}",
	};
	auto_buf struct buf deep = {0};

	for (size_t i = 0; i <= countof(states); i++) {
		auto_buf struct buf out = {0};
		struct snapshot s = some, got;
		struct diag diag = {0};

		if (i < countof(states)) {
			s.state = slice_of(states[i]);
		} else {
			/* Deeper than an event may be. */
			for (unsigned k = 0; k < 2000; k++)
				buf_add_char(&deep, '[');
			for (unsigned k = 0; k < 2000; k++)
				buf_add_char(&deep, ']');
			s.state = buf_slice(&deep);
		}
		CHECK_INT(snapshot_write(&s, &out), 0);
		int r = snapshot_parse(buf_slice(&out), &got, &diag);
		CHECK_STR(diag.text, "");
		CHECK_INT(r, 0);
		check_equal(&got, &s);
	}
}

/* A log, partly archived, on a simulated disk that counts what is read. */
struct fixture {
	struct simdisk s;
	ssize_t (*pread)(struct disk *d, int fd, void *data, size_t len, off_t off);
	uint64_t bytes_read;
	struct eventlog *log;
	struct reader *reader;
	struct buf text;
	struct {
		uint64_t off, hash;
	} ends[100]; /* behind each line; [0] is the start */
	size_t n;
};

static ssize_t count_pread(struct disk *d, int fd, void *data, size_t len, off_t off)
{
	struct fixture *f = container_of(container_of(d, struct simdisk, disk), struct fixture, s);
	ssize_t n = f->pread(d, fd, data, len, off);

	f->bytes_read += n > 0 ? (uint64_t)n : 0;
	return n;
}

static void add_lines(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		size_t from = f->text.len, done;

		buf_printf(&f->text, "{\"type\":\"x\",\"data\":%zu,\"ts\":%zu}\n", f->n * f->n * 977, f->n);
		f->n++;
		f->ends[f->n].off = f->text.len;
		f->ends[f->n].hash = XXH64(f->text.data + from, f->text.len - from - 1, 0);
		struct slice line = {f->text.data + from, f->text.len - from};
		CHECK_INT(eventlog_append(f->log, line, false, &done), 0);
	}
}

static void rotate(struct fixture *f)
{
	CHECK_INT(eventlog_seal(f->log), 0);
	CHECK_INT(archive_all(f->log, NULL), 0);
}

static void open_reader(struct fixture *f)
{
	struct log_files files;

	reader_free(f->reader);
	CHECK_INT(eventlog_files(f->log, &files), 0);
	CHECK_INT(reader_new(&f->reader, &f->s.disk, &files), 0);
}

static void setup(struct fixture *f)
{
	struct eventlog_options options = {.frame_bytes = 300};

	*f = (struct fixture){0};
	simdisk_init(&f->s);
	f->pread = f->s.disk.pread;
	f->s.disk.pread = count_pread;
	CHECK_INT(eventlog_open(&f->log, &f->s.disk, -1, &options, NULL), 0);
	add_lines(f, 40);
}

static void teardown(struct fixture *f)
{
	reader_free(f->reader);
	eventlog_close(f->log);
	simdisk_deinit(&f->s);
	buf_deinit(&f->text);
}

/* What a right snapshot behind the first n lines says, where the active log begins behind the first
 * `rotated`. */
static struct snapshot right(struct fixture *f, size_t n, size_t rotated)
{
	uint64_t begin = f->ends[rotated].off;

	return (struct snapshot){
	    .pos = {f->ends[n].off, n, f->ends[n].hash},
	    .offset = n < rotated ? 0 : f->ends[n].off - begin,
	    .checksum =
		n < rotated ? XXH64("", 0, 0) : XXH64(f->text.data + begin, f->ends[n].off - begin, 0),
	    .state = SLICE("null"),
	};
}

static void check_fits(struct fixture *f, const struct snapshot *s)
{
	struct diag diag = {0};

	int r = snapshot_check(s, f->reader, f->text.len, &diag);
	CHECK_STR(diag.text, "");
	CHECK_INT(r, 0);
}

static void check_fits_not(struct fixture *f, const struct snapshot *s)
{
	struct diag diag = {0};

	CHECK_INT(snapshot_check(s, f->reader, f->text.len, &diag), 1);
	CHECK(diag.text[0]);
}

/* Right ones fit at every place; those from before a rotation still do. */
static void test_fits(void)
{
	struct snapshot old[41];
	struct fixture f;

	setup(&f);
	open_reader(&f);
	for (size_t n = 0; n <= 40; n++) {
		old[n] = right(&f, n, 0);
		check_fits(&f, &old[n]);
	}
	rotate(&f);
	open_reader(&f);
	for (size_t n = 0; n <= 40; n++) {
		check_fits(&f, &old[n]);
		struct snapshot now = right(&f, n, 40);
		check_fits(&f, &now);
	}
	add_lines(&f, 30);
	open_reader(&f);
	for (size_t n = 0; n <= 70; n++) {
		struct snapshot now = right(&f, n, 40);
		check_fits(&f, &now);
		if (n <= 40)
			check_fits(&f, &old[n]);
	}
	/* While a rotation is under way. */
	CHECK_INT(eventlog_seal(f.log), 0);
	open_reader(&f);
	for (size_t n = 0; n <= 70; n++) {
		struct snapshot then = right(&f, n, 40), now = right(&f, n, 70);
		check_fits(&f, &then);
		check_fits(&f, &now);
	}
	teardown(&f);
}

static void test_fits_not(void)
{
	struct fixture f;

	setup(&f);
	rotate(&f);
	add_lines(&f, 30);
	open_reader(&f);
	for (size_t n = 0; n <= 70; n++) {
		const struct snapshot good = right(&f, n, 40);
		struct snapshot bad = good;

		bad.pos.off++; /* no line ends there */
		check_fits_not(&f, &bad);
		bad = good;
		bad.pos.seq++;
		if (n > 0)
			check_fits_not(&f, &bad);
		bad = good;
		bad.pos.hash ^= 1;
		if (n > 0)
			check_fits_not(&f, &bad);
		bad = good;
		bad.offset = bad.pos.off + 1;
		check_fits_not(&f, &bad);
		/* In the archive the checksum is of nothing that is there any more. */
		bad = good;
		bad.checksum ^= 1;
		if (n > 40)
			check_fits_not(&f, &bad);
	}
	struct snapshot bad = right(&f, 70, 40);
	struct diag diag = {0};
	CHECK_INT(snapshot_check(&bad, f.reader, bad.pos.off - 1, &diag), 1);
	CHECK_STR(diag.text, "it has read further than the log goes");
	teardown(&f);
}

/* A byte of the active log changes: whatever was folded from it does not fit, though its last line is as it
 * was. */
static void test_changed_log(void)
{
	char *content;
	size_t len;
	struct fixture f;

	setup(&f);
	CHECK(simdisk_content(&f.s, "app.jsonl", &content, &len));
	CHECK_INT(len, f.text.len);
	/* In the fifth line. */
	content[f.ends[4].off + 18]++;
	simdisk_put(&f.s, "app.jsonl", content, len);
	free(content);
	eventlog_close(f.log);
	struct eventlog_options options = {.frame_bytes = 300};
	CHECK_INT(eventlog_open(&f.log, &f.s.disk, -1, &options, NULL), 0);
	open_reader(&f);
	for (size_t n = 0; n <= 40; n++) {
		struct snapshot s = right(&f, n, 0);

		if (n < 5)
			check_fits(&f, &s);
		else
			check_fits_not(&f, &s);
	}
	teardown(&f);
}

/* Many views that stand at the head: the log before them is read once, not once each. */
static void test_cost(void)
{
	struct fixture f;

	setup(&f);
	open_reader(&f);
	struct snapshot s = right(&f, 40, 0);
	struct log_pos pos;
	check_fits(&f, &s);
	CHECK(f.bytes_read >= f.text.len);
	f.bytes_read = 0;
	CHECK_INT(reader_seek_off(f.reader, s.pos.off, f.text.len, &pos), 0);
	uint64_t seek = f.bytes_read;
	/* Another one costs no more than to find its line. */
	f.bytes_read = 0;
	check_fits(&f, &s);
	CHECK_INT(f.bytes_read, seek);
	/* One further on: what lies in between. */
	add_lines(&f, 20);
	open_reader(&f);
	check_fits(&f, &s);
	s = right(&f, 60, 0);
	CHECK_INT(reader_seek_off(f.reader, s.pos.off, f.text.len, &pos), 0);
	f.bytes_read = 0;
	CHECK_INT(reader_seek_off(f.reader, s.pos.off, f.text.len, &pos), 0);
	seek = f.bytes_read;
	f.bytes_read = 0;
	check_fits(&f, &s);
	CHECK_INT(f.bytes_read, seek + f.ends[60].off - f.ends[40].off);
	teardown(&f);
}

static void test_save(void)
{
	struct simdisk s;
	char name[LIMIT_NAME + 32], *content;
	size_t len;

	snapshot_file_name("todo-s_1", name);
	CHECK_STR(name, "todo-s_1.snapshot.json");
	char longest[LIMIT_NAME + 1];
	memset(longest, 'x', LIMIT_NAME);
	longest[LIMIT_NAME] = '\0';
	snapshot_file_name(longest, name);
	CHECK_INT(strlen(name), LIMIT_NAME + 14);

	simdisk_init(&s);
	CHECK_INT(snapshot_save(&empty, &s.disk, -1, "v"), 0);
	CHECK_INT(snapshot_save(&some, &s.disk, -1, "v"), 0);
	simdisk_reboot(&s, 1);
	CHECK(simdisk_content(&s, "v.snapshot.json", &content, &len));
	CHECK_MEM(content, len, some_text, strlen(some_text));
	free(content);
	/* One that can't be written leaves the old one. */
	s.room = 10;
	CHECK(snapshot_save(&empty, &s.disk, -1, "v") < 0);
	CHECK(simdisk_content(&s, "v.snapshot.json", &content, &len));
	CHECK_MEM(content, len, some_text, strlen(some_text));
	free(content);
	simdisk_deinit(&s);
}

int main(void)
{
	test_bytes();
	test_damaged(some_text);
	test_damaged(empty_text);
	test_foreign();
	test_sealed();
	test_states();
	test_fits();
	test_fits_not();
	test_changed_log();
	test_cost();
	test_save();
	return 0;
}
