#include "store/index.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/buf.h"
#include "archive_all.h"
#include "check.h"
#include "simdisk.h"
#include "store/eventlog.h"
#include "store/cursor.h"
#include "store/record.h"

#define ARCHIVE "archive.jsonl.zst"

/* Two rotations; *ret_first: where the first one ends in the archive. */
static void build(struct simdisk *s, uint64_t *ret_first, char **ret, size_t *ret_len)
{
	struct eventlog_options options = {.frame_bytes = 100};
	struct eventlog *log;
	size_t done;

	simdisk_init(s);
	CHECK_INT(eventlog_open(&log, &s->disk, -1, &options, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned n = 0; n < 20; n++)
			CHECK_INT(eventlog_append(log, SLICE("{\"type\":\"a\"}\n"), false, &done), 0);
		CHECK_INT(eventlog_seal(log), 0);
		CHECK_INT(archive_all(log, NULL), 0);
		struct eventlog_stats stats;
		eventlog_stats(log, &stats);
		if (i == 0)
			*ret_first = stats.archive_size;
	}
	eventlog_close(log);
	CHECK(simdisk_content(s, ARCHIVE, ret, ret_len));
}

/* What was counted before turns out to be wrong by the next record, so entries are taken back; and then a
 * call fails. */
static void test_failure_changes_nothing(void)
{
	struct index_entry wrong[] = {
	    {.at = 0, .size = 10, .bytes = 1000, .lines = 10, .hash = 1, .last = true},
	    {.at = 10,
	     .size = 10,
	     .off = 1000,
	     .seq = 10,
	     .bytes = 1000,
	     .lines = 10,
	     .hash = 2,
	     .last = true},
	};
	struct simdisk s;
	uint64_t first = 0;
	char *archive;
	size_t len;
	unsigned failed = 0;

	build(&s, &first, &archive, &len);
	archive[len - 1] ^= 1; /* the last record is damaged, so the frames are gone through from the front */
	simdisk_put(&s, ARCHIVE, archive, len);
	int fd = s.disk.open(&s.disk, -1, ARCHIVE, O_RDONLY, 0);
	CHECK(fd >= 0);
	for (uint64_t n = 1;; n++) {
		struct index x;
		index_init(&x);
		x.entries = malloc(sizeof(wrong));
		CHECK(x.entries);
		memcpy(x.entries, wrong, sizeof(wrong));
		x.n = x.cap = countof(wrong);
		x.tail.size = first;
		x.tail.pos = (struct log_pos){.off = 2000, .seq = 20, .hash = 2};
		struct index_tail before = x.tail;
		s.fail_at = n;
		s.fail_error = -EIO;
		int r = index_extend(&x, &s.disk, fd, len);
		s.fail_at = 0;
		if (r == 0) {
			CHECK(x.tail.damaged && x.n > 1 && x.entries[0].bytes < 1000);
			index_deinit(&x);
			break;
		}
		CHECK_INT(r, -EIO);
		CHECK_INT(x.n, countof(wrong));
		CHECK(memcmp(x.entries, wrong, sizeof(wrong)) == 0);
		CHECK(memcmp(&x.tail, &before, sizeof(before)) == 0);
		index_deinit(&x);
		failed++;
	}
	CHECK(failed > 10);
	s.disk.close(&s.disk, fd);
	free(archive);
	simdisk_deinit(&s);
}

/* A frame with one raw block of `text`, that says it has `content` bytes. */
static void add_frame(struct buf *out, uint64_t content, struct slice text)
{
	const uint32_t magic = htole32(0xFD2FB528u);
	uint32_t block = htole32((uint32_t)text.len << 3 | 1);

	content = htole64(content);
	buf_add(out, &magic, sizeof(magic));
	buf_add_char(out, (char)0xE0); /* 8 bytes of size, single segment, no checksum */
	buf_add(out, &content, sizeof(content));
	buf_add(out, &block, 3);
	buf_add_slice(out, text);
}

static void open_archive(struct simdisk *s, const struct buf *archive, struct eventlog **ret)
{
	struct eventlog_options options = {.read_only = true};

	simdisk_put(s, ARCHIVE, archive->data, archive->len);
	CHECK_INT(eventlog_open(ret, &s->disk, -1, &options, NULL), 0);
}

/* No more is believed of a frame than can be in it: neither as memory nor as history. */
static void test_claims(void)
{
	const struct slice text = SLICE("{\"type\":\"a\"}\n{\"type\":\"b\"}\n");
	auto_buf struct buf archive = {0};
	const struct log_pos zero = {0};
	unsigned char bytes[RECORD_SIZE];
	struct log_damage damage;
	struct log_files files;
	struct cursor cursor;
	struct slice block;
	struct eventlog *log;
	struct reader *reader;
	struct simdisk s;
	char data[100];
	uint64_t skip;
	size_t n;

	simdisk_init(&s);
	/* Another program's. */
	add_frame(&archive, (uint64_t)1 << 39, text);
	open_archive(&s, &archive, &log);
	CHECK(eventlog_head(log).off > 0 && eventlog_head(log).off <= text.len);
	/* What it had is lost, and who reads meets that, though nobody knows how much it was. */
	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(reader_new(&reader, &s.disk, &files), 0);
	cursor_init(&cursor, reader, &zero);
	CHECK_INT(cursor_fill(&cursor, eventlog_head(log).off, &block, &damage), 1);
	CHECK(damage.off == 0 && !damage.counted);
	cursor_deinit(&cursor);
	reader_free(reader);
	eventlog_close(log);
	/* One of ours, with a record that says the same. */
	size_t size = archive.len;
	struct record rec = {
	    .kind = RECORD_FRAME,
	    .at = size,
	    .pos = {.off = (uint64_t)1 << 39, .seq = 2},
	    .frames = 1,
	    .frame_size = size,
	    .frame_bytes = (uint64_t)1 << 39,
	    .frame_lines = 2,
	};
	buf_add(&archive, bytes, record_write(&rec, bytes));
	rec = (struct record){.kind = RECORD_END, .at = archive.len, .pos = rec.pos, .frames = 1};
	buf_add(&archive, bytes, record_write(&rec, bytes));
	open_archive(&s, &archive, &log);
	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(reader_new(&reader, &s.disk, &files), 0);
	CHECK_INT(reader_read(reader, 0, rec.pos.off, data, sizeof(data), &n, &skip), 1);
	CHECK_INT(skip, rec.pos.off);
	reader_free(reader);
	eventlog_close(log);
	simdisk_deinit(&s);
}

int main(void)
{
	test_failure_changes_nothing();
	test_claims();
	return 0;
}
