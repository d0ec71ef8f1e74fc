#include "store/cursor.h"

#include <stdio.h>

#include "base/buf.h"
#include "check.h"
#include "simdisk.h"
#include "store/eventlog.h"

/* Lines from empty to longer than a block, with a block's border everywhere: each comes out whole, once. */
static void test_lines(void)
{
	static const size_t sizes[] = {0, 1, 100,   1 << 20, (1 << 20) - 1, 3000000, 5, (1 << 20) - 103,
				       0, 7, 999999};
	struct buf text = {0};
	struct log_pos zero = {0};
	struct log_damage damage;
	struct log_files files;
	struct eventlog *log;
	struct reader *reader;
	struct cursor c;
	struct slice block;
	struct simdisk s;
	size_t line = 0;

	for (size_t i = 0; i < countof(sizes); i++) {
		CHECK_INT(buf_reserve(&text, sizes[i] + 1), 0);
		memset(text.data + text.len, 'a' + (int)i, sizes[i]);
		text.len += sizes[i];
		buf_add_char(&text, '\n');
	}
	simdisk_init(&s);
	simdisk_put(&s, "app.jsonl", text.data, text.len);
	CHECK_INT(eventlog_open(&log, &s.disk, -1, &(struct eventlog_options){0}, NULL), 0);
	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(reader_new(&reader, &s.disk, &files), 0);
	cursor_init(&c, reader, &zero);
	/* Not beyond the limit, though there is more. */
	CHECK_INT(cursor_fill(&c, 1, &block, &damage), 0);
	CHECK_MEM(block.data, block.len, "\n", 1);
	cursor_advance(&c, 0);
	CHECK_INT(cursor_fill(&c, 3, &block, &damage), 0);
	CHECK_MEM(block.data, block.len, "b\n", 2);
	CHECK_INT(cursor_fill(&c, 2, &block, &damage), 0);
	CHECK_INT(block.len, 0);
	c.pos = zero;
	for (;;) {
		CHECK_INT(cursor_fill(&c, text.len, &block, &damage), 0);
		if (block.len == 0)
			break;
		CHECK(block.data[block.len - 1] == '\n');
		CHECK_MEM(block.data, block.len, text.data + c.pos.off, block.len);
		/* Only the first two lines of a block are dealt with: the rest comes again. */
		for (size_t i = 0, at = 0; i < 2 && at < block.len; i++) {
			size_t len =
			    (size_t)((char *)memchr(block.data + at, '\n', block.len - at) - block.data) - at;
			CHECK_INT(len, sizes[line]);
			cursor_hash(&c, (struct slice){block.data + at, len});
			cursor_advance(&c, len);
			at += len + 1;
			line++;
		}
	}
	CHECK_INT(line, countof(sizes));
	struct log_pos head = eventlog_head(log);
	CHECK(c.pos.off == head.off && c.pos.seq == head.seq && c.pos.hash == head.hash);
	/* Somewhere else. */
	c.pos = (struct log_pos){.off = 1, .seq = 1};
	CHECK_INT(cursor_fill(&c, text.len, &block, &damage), 0);
	CHECK(memcmp(block.data, "b\n", 2) == 0);
	cursor_deinit(&c);
	reader_free(reader);
	eventlog_close(log);
	buf_deinit(&text);
	simdisk_deinit(&s);
}

int main(void)
{
	test_lines();
	return 0;
}
