/* The whole log, as a follower reads it. */
#pragma once

#include <string.h>

#include "check.h"
#include "simdisk.h"
#include "store/cursor.h"
#include "store/eventlog.h"

/* Its bytes are in `out`, and its places are the head's at the end. How many they are. */
static size_t read_by_cursor(struct simdisk *s, struct eventlog *log, char *out, size_t room)
{
	struct log_pos zero = {0}, head = eventlog_head(log);
	struct log_damage damage;
	struct log_files files;
	struct reader *reader;
	struct cursor cursor;
	struct slice block;

	CHECK_INT(eventlog_files(log, &files), 0);
	CHECK_INT(reader_new(&reader, &s->disk, &files), 0);
	cursor_init(&cursor, reader, &zero);
	for (;;) {
		CHECK_INT(cursor_fill(&cursor, head.off, &block, &damage), 0);
		if (block.len == 0)
			break;
		CHECK(cursor.pos.off + block.len <= room);
		memcpy(out + cursor.pos.off, block.data, block.len);
		for (const char *at = block.data, *end = at + block.len; at < end;) {
			const char *nl = memchr(at, '\n', (size_t)(end - at));
			cursor_hash(&cursor, (struct slice){at, (size_t)(nl - at)});
			cursor_advance(&cursor, (size_t)(nl - at));
			at = nl + 1;
		}
	}
	CHECK_INT(cursor.pos.off, head.off);
	CHECK_INT(cursor.pos.seq, head.seq);
	CHECK(cursor.pos.hash == head.hash);
	cursor_deinit(&cursor);
	reader_free(reader);
	return head.off;
}
