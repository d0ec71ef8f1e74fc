/* The place of a time: as a walk finds it, over logs whose clock jumps, by records, marks and neither. */
#include <fcntl.h>

#include "archive_all.h"
#include "base/buf.h"
#include "base/limits.h"
#include "check.h"
#include "model/event/event_time.h"
#include "simdisk.h"
#include "store/eventlog.h"
#include "store/index.h"
#include "store/reader.h"

#define LINES 3000

struct line {
	uint64_t begin;
	uint64_t ts;
	bool counts;
};

struct fixture {
	struct simdisk s;
	struct eventlog *log;
	struct line lines[LINES];
	size_t n;
	uint64_t clock, random;
	uint64_t end;
	size_t frame_bytes;
};

static void open_log(struct fixture *f, line_time *time_of)
{
	struct eventlog_options options = {.frame_bytes = f->frame_bytes, .time_of = time_of};

	CHECK_INT(eventlog_open(&f->log, &f->s.disk, -1, &options, NULL), 0);
}

static void setup(struct fixture *f, uint64_t seed)
{
	*f = (struct fixture){.random = seed, .clock = 1000, .frame_bytes = 2000};
	simdisk_init(&f->s);
}

static void teardown(struct fixture *f)
{
	eventlog_close(f->log);
	simdisk_deinit(&f->s);
}

static uint64_t below(struct fixture *f, uint64_t n)
{
	return sim_random(&f->random) % n;
}

/* Of all the forms that a line can have; true where its ts counts. */
static bool write_line(struct fixture *f, struct buf *b, uint64_t ts)
{
	unsigned long long t = ts;

	switch (below(f, 12)) {
	case 0:
		buf_printf(b, "{\"ts\":%llu,\"type\":\"a\",\"data\":{\"ts\":9000}}\n", t);
		return true;
	case 1:
		buf_printf(b, "{\"type\":\"a\",\"ts\":%llu,\"data\":[{\"ts\":9000}]}\n", t);
		return true;
	case 2:
		buf_printf(b, " {\"type\":\"a\" , \"\\u0074s\" : %llu}\n", t);
		return true;
	case 3: /* of a key, and in a string */
		buf_printf(b, "{\"type\":\",\\\"ts\",\"ts\":%llu,\"data\":\",\\\"ts\\\":9000}\"}\n", t);
		return true;
	case 4:
		buf_printf(b, "{\"type\":\"a\",\"ts\":%llu,\",\\\"ts\":9000}\n", t);
		return true;
	case 5: /* no event */
		buf_printf(b, "{\"ts\":9000,\"type\":\"a\",\"ts\":%llu}\n", t);
		return false;
	case 6:
		buf_printf(b, "mangled,\"ts\":%llu}\n", t);
		return false;
	case 7:
		buf_printf(b, "{\"type\":\"a\"}\n");
		return false;
	case 8: /* milliseconds */
		buf_printf(b, "{\"type\":\"a\",\"ts\":%llu}\n", (unsigned long long)LIMIT_TS + 1 + t);
		return false;
	case 9: /* the empty line */
		buf_printf(b, "\n");
		return false;
	default:
		buf_printf(b, "{\"type\":\"a\",\"data\":\"%.*s\",\"ts\":%llu}\n", (int)below(f, 40),
			   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", t);
		return true;
	}
}

static void add(struct fixture *f, unsigned n)
{
	auto_buf struct buf line = {0};
	size_t done;

	for (unsigned i = 0; i < n; i++) {
		uint64_t jump = below(f, 100);
		f->clock = jump == 0   ? f->clock + below(f, 500)
			   : jump == 1 ? f->clock - below(f, f->clock)
				       : f->clock + below(f, 3);
		buf_clear(&line);
		struct line *l = &f->lines[f->n++];
		*l = (struct line){.begin = f->end, .ts = f->clock};
		l->counts = write_line(f, &line, f->clock);
		CHECK_INT(eventlog_append(f->log, buf_slice(&line), false, &done), 0);
		f->end += line.len;
	}
}

static void rotate(struct fixture *f)
{
	CHECK_INT(eventlog_seal(f->log), 0);
	CHECK_INT(archive_all(f->log, NULL), 0);
}

static size_t line_of(const struct fixture *f, uint64_t after)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->lines[i].counts && f->lines[i].ts >= after)
			return i;
	return f->n;
}

static void seek(struct fixture *f, struct reader *r, uint64_t after)
{
	size_t want = line_of(f, after);
	struct log_pos pos;

	CHECK_INT(reader_seek_time(r, event_time, after, f->end, &pos), 0);
	CHECK_INT(pos.seq, want);
	CHECK_INT(pos.off, want < f->n ? f->lines[want].begin : f->end);
}

static struct reader *open_reader(struct fixture *f)
{
	struct log_files files;
	struct reader *r;

	CHECK_INT(eventlog_files(f->log, &files), 0);
	CHECK_INT(reader_new(&r, &f->s.disk, &files), 0);
	return r;
}

static void seek_all(struct fixture *f)
{
	struct reader *r = open_reader(f);

	for (unsigned i = 0; i < 300; i++)
		seek(f, r, below(f, f->clock + 600));
	seek(f, r, 0);
	seek(f, r, 1);
	seek(f, r, UINT64_MAX);
	for (unsigned i = 0; i < 20; i++) { /* and each as the first */
		reader_free(r);
		r = open_reader(f);
		seek(f, r, below(f, f->clock + 600));
	}
	reader_free(r);
}

/* Records of the whole archive, of its end, or of no part. */
static void test_random(void)
{
	for (uint64_t seed = 1; seed < 40; seed++) {
		struct fixture f;
		setup(&f, seed);
		bool knows = seed % 3 != 0;
		open_log(&f, knows ? event_time : NULL);
		for (unsigned i = 0; i < 5; i++) {
			add(&f, 200);
			if (seed % 3 == 2 && i == 2) { /* written by an earlier version up to here */
				eventlog_close(f.log);
				simdisk_restart(&f.s);
				open_log(&f, NULL);
			}
			rotate(&f);
			if (seed % 3 == 2 && i == 3) {
				eventlog_close(f.log);
				simdisk_restart(&f.s);
				open_log(&f, event_time);
			}
		}
		add(&f, 100);
		seek_all(&f);
		CHECK_INT(eventlog_seal(f.log), 0);
		add(&f, 10);
		seek_all(&f);
		teardown(&f);
	}
}

/* What the records say: the greatest time up to each, of all lines before, also where an earlier version
 * has written those. */
static void test_records(void)
{
	struct fixture f;
	setup(&f, 77);
	open_log(&f, NULL);
	add(&f, 300);
	rotate(&f);
	eventlog_close(f.log);
	simdisk_restart(&f.s);
	open_log(&f, event_time);
	add(&f, 300);
	rotate(&f);

	struct log_files files;
	struct index x;
	index_init(&x);
	CHECK_INT(eventlog_files(f.log, &files), 0);
	CHECK_INT(index_extend(&x, &f.s.disk, files.archive_fd, files.archive_size), 0);
	unsigned known = 0;
	for (size_t i = 0; i < x.n; i++) {
		const struct index_entry *e = &x.entries[i];
		uint64_t latest = LATEST_NONE;
		for (size_t k = 0; k < e->seq + e->lines; k++)
			if (f.lines[k].counts)
				latest = max(latest, f.lines[k].ts);
		CHECK_INT(e->latest, e->seq < 300 ? 0 : latest);
		known += e->latest != 0;
		if (i + 1 == x.n)
			CHECK_INT(x.tail.latest, latest);
	}
	CHECK(known > 3 && known < x.n);
	index_deinit(&x);
	log_files_deinit(&files);
	teardown(&f);
}

/* Lines that can't be read have no time, and keep their numbers. */
static void test_damage(void)
{
	for (uint64_t seed = 1; seed < 10; seed++) {
		struct log_files files;
		struct fixture f;
		struct index x;
		unsigned char byte;
		setup(&f, 100 + seed);
		open_log(&f, seed % 2 ? event_time : NULL);
		for (unsigned i = 0; i < 4; i++) {
			add(&f, 300);
			rotate(&f);
		}
		add(&f, 50);
		index_init(&x);
		CHECK_INT(eventlog_files(f.log, &files), 0);
		CHECK_INT(index_extend(&x, &f.s.disk, files.archive_fd, files.archive_size), 0);
		const struct index_entry *e = &x.entries[below(&f, x.n)];
		off_t at = (off_t)(e->at + e->size / 2);
		int fd = f.s.disk.open(&f.s.disk, -1, "archive.jsonl.zst", O_RDWR, 0);
		CHECK_INT(f.s.disk.pread(&f.s.disk, fd, &byte, 1, at), 1);
		byte ^= 0x10;
		CHECK_INT(f.s.disk.pwrite(&f.s.disk, fd, &byte, 1, at), 1);
		f.s.disk.close(&f.s.disk, fd);
		for (size_t i = e->seq; i < e->seq + e->lines; i++)
			f.lines[i].counts = false;
		seek_all(&f);
		index_deinit(&x);
		log_files_deinit(&files);
		teardown(&f);
	}
}

/* A place in the archive costs some records and a frame, wherever it is and however many frames there are. */
static void test_cost(void)
{
	struct fixture f;
	uint64_t most = 0, frames;
	struct eventlog_stats stats;
	setup(&f, 5);
	f.frame_bytes = 100;
	open_log(&f, event_time);
	for (unsigned i = 0; i < 5; i++) {
		add(&f, 500);
		rotate(&f);
	}
	eventlog_stats(f.log, &stats);
	frames = stats.frames;
	CHECK(frames > 1000);
	for (unsigned i = 0; i < 50; i++) {
		struct reader *r = open_reader(&f);
		uint64_t before = f.s.calls;
		seek(&f, r, below(&f, f.clock));
		most = max(most, f.s.calls - before);
		reader_free(r);
	}
	CHECK(most > 0 && most < frames / 8);
	teardown(&f);
}

int main(void)
{
	test_random();
	test_records();
	test_damage();
	test_cost();
	return 0;
}
