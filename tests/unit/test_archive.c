/* Archives that others wrote, and ours as others read it. */
#include <errno.h>
#include <stdio.h>
#include <zstd.h>

#include "base/buf.h"
#include "archive_all.h"
#include "check.h"
#include "simdisk.h"
#include "store/eventlog.h"
#include "store/record.h"
#include "store/reader.h"

static void add_line(struct buf *out, uint64_t *random)
{
	buf_printf(out, "{\"n\":%" PRIu64 ",\"%.*s\"}\n", sim_random(random), (int)(sim_random(random) % 200),
		   "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
		   "yyyyyyyyyyyyyyyy"
		   "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
		   "yyyyyyyyyyyyyyyy");
}

/* As the crate does it: one frame, streamed, without size or checksum. */
static void compress_foreign(struct buf *out, const char *data, size_t len)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	ZSTD_inBuffer in = {data, len, 0};
	size_t left = 1;

	CHECK(ctx);
	/* The first call does not end the frame, so its header can't say the size. */
	for (ZSTD_EndDirective how = ZSTD_e_continue; left;) {
		CHECK_INT(buf_reserve(out, 1 << 16), 0);
		ZSTD_outBuffer o = {out->data + out->len, 1 << 16, 0};
		left = ZSTD_compressStream2(ctx, &o, &in, how);
		CHECK(!ZSTD_isError(left));
		out->len += o.pos;
		if (how == ZSTD_e_continue && in.pos == in.size) {
			how = ZSTD_e_end;
			left = 1;
		} else if (how == ZSTD_e_continue) {
			left = 1;
		}
	}
	ZSTD_freeCCtx(ctx);
}

static struct eventlog *open_log(struct simdisk *s)
{
	struct eventlog *log;

	CHECK_INT(eventlog_open(&log, &s->disk, -1, &(struct eventlog_options){0}, NULL), 0);
	return log;
}

static void check_history(struct simdisk *s, struct eventlog *log, const struct buf *want)
{
	struct log_files files;
	struct reader *r;
	uint64_t random = 5, skip;
	char got[5000];
	size_t n;

	CHECK_INT(eventlog_head(log).off, want->len);
	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(reader_new(&r, &s->disk, &files), 0);
	for (uint64_t off = 0; off < want->len; off += n) {
		CHECK_INT(reader_read(r, off, want->len, got, sizeof(got), &n, &skip), 0);
		CHECK_MEM(got, n, want->data + off, n);
	}
	for (unsigned i = 0; i < 50; i++) {
		uint64_t off = sim_random(&random) % want->len;
		struct log_pos pos, same;
		CHECK_INT(reader_read(r, off, want->len, got, sizeof(got), &n, &skip), 0);
		CHECK_MEM(got, n, want->data + off, n);
		CHECK_INT(reader_seek_seq(r, 1 + i, want->len, &pos), 0);
		CHECK_INT(reader_seek_off(r, pos.off, want->len, &same), 0);
		CHECK(pos.off == same.off && pos.seq == same.seq && pos.hash == same.hash &&
		      pos.seq == 1 + i);
	}
	reader_free(r);
}

static void check_plain_zstd(struct simdisk *s, const struct buf *want)
{
	char *archive, *out = malloc(want->len + 1);
	size_t len, n = 0;

	CHECK(out && simdisk_content(s, "archive.jsonl.zst", &archive, &len));
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	ZSTD_inBuffer in = {archive, len, 0};
	while (in.pos < in.size) {
		ZSTD_outBuffer o = {out, want->len + 1, n};
		CHECK(!ZSTD_isError(ZSTD_decompressStream(ctx, &o, &in)));
		n = o.pos;
	}
	ZSTD_freeDCtx(ctx);
	CHECK_INT(n, want->len);
	CHECK(memcmp(out, want->data, n) == 0);
	free(archive);
	free(out);
}

static void test_foreign(void)
{
	struct buf text = {0}, archive = {0};
	uint64_t random = 1;
	struct simdisk s;
	size_t first, done;

	while (text.len < 3500000)
		add_line(&text, &random);
	first = text.len;
	compress_foreign(&archive, text.data, first);
	while (text.len < first + 10000)
		add_line(&text, &random);
	compress_foreign(&archive, text.data + first, text.len - first);
	size_t archived = archive.len;
	buf_add(&archive, "\x28\xb5\x2f\xfd half a frame", 17);
	simdisk_init(&s);
	simdisk_put(&s, "archive.jsonl.zst", archive.data, archive.len);

	struct eventlog *log = open_log(&s);
	struct eventlog_stats stats;
	eventlog_stats(log, &stats);
	CHECK_INT(stats.recovered, 1);
	CHECK_INT(stats.frames, 2);
	CHECK(stats.archive_size > archived);
	check_history(&s, log, &text);
	for (unsigned round = 0; round < 2; round++) {
		size_t from = text.len;
		for (unsigned i = 0; i < 20000; i++)
			add_line(&text, &random);
		struct slice lines = {text.data + from, text.len - from};
		CHECK_INT(eventlog_append(log, lines, true, &done), 0);
		CHECK_INT(eventlog_seal(log), 0);
		check_history(&s, log, &text);
		CHECK_INT(archive_all(log, NULL), 0);
		check_history(&s, log, &text);
		check_plain_zstd(&s, &text);
	}
	struct log_pos head = eventlog_head(log), again;
	eventlog_close(log);
	s.calls = 0;
	log = open_log(&s);
	CHECK(s.calls < 30); /* by the last record alone */
	again = eventlog_head(log);
	CHECK(memcmp(&head, &again, sizeof(head)) == 0);
	eventlog_close(log);

	/* Then the crate rotates once more, behind our records. */
	char *ours;
	size_t len, from = text.len;
	CHECK(simdisk_content(&s, "archive.jsonl.zst", &ours, &len));
	buf_clear(&archive);
	buf_add(&archive, ours, len);
	free(ours);
	for (unsigned i = 0; i < 100; i++)
		add_line(&text, &random);
	compress_foreign(&archive, text.data + from, text.len - from);
	simdisk_put(&s, "archive.jsonl.zst", archive.data, archive.len);
	log = open_log(&s);
	check_history(&s, log, &text);
	check_plain_zstd(&s, &text);
	eventlog_close(log);
	simdisk_deinit(&s);
	buf_deinit(&text);
	buf_deinit(&archive);
}

/* No room: the sealed file stays part of the log, and later it works. */
static void test_full(void)
{
	struct buf text = {0};
	uint64_t random = 3;
	struct simdisk s;
	size_t done;

	simdisk_init(&s);
	struct eventlog *log = open_log(&s);
	while (text.len < 100000)
		add_line(&text, &random);
	CHECK_INT(eventlog_append(log, buf_slice(&text), true, &done), 0);
	CHECK_INT(eventlog_seal(log), 0);
	for (uint64_t room = 0; room < 2000; room += 97) {
		s.room = room;
		CHECK_INT(archive_all(log, NULL), -ENOSPC);
		check_history(&s, log, &text);
	}
	s.room = UINT64_MAX;
	CHECK_INT(archive_all(log, NULL), 0);
	check_history(&s, log, &text);
	check_plain_zstd(&s, &text);
	eventlog_close(log);
	simdisk_deinit(&s);
	buf_deinit(&text);
}

/* What a power failure has made of the first frame of a rotation can look like one of another program's,
 * without size and checksum. It does not count, and must not stay. */
static void test_garbled(void)
{
	static const unsigned char garbled[] = {0x28, 0xb5, 0x2f, 0xfd, 0,    0,   0x25,
						0,    0,    0xff, 0xff, 0xff, 0xff};
	unsigned char archive[RECORD_SIZE + sizeof(garbled)];
	struct buf text = {0};
	uint64_t random = 7;
	struct simdisk s;

	while (text.len < 10000)
		add_line(&text, &random);
	CHECK_INT(record_write(&(struct record){.kind = RECORD_BEGIN}, archive), RECORD_SIZE);
	memcpy(archive + RECORD_SIZE, garbled, sizeof(garbled));
	simdisk_init(&s);
	simdisk_put(&s, "archive.jsonl.zst", archive, sizeof(archive));
	simdisk_put(&s, "app.jsonl.sealed", text.data, text.len);
	struct eventlog *log = open_log(&s);
	check_history(&s, log, &text);
	CHECK_INT(archive_all(log, NULL), 0);
	check_history(&s, log, &text);
	check_plain_zstd(&s, &text);
	eventlog_close(log);
	simdisk_deinit(&s);
	buf_deinit(&text);
}

int main(void)
{
	test_foreign();
	test_full();
	test_garbled();
	return 0;
}
