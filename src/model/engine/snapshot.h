/* A view's snapshot on disk: DATA/views/NAME.snapshot.json, a cache that can be thrown away at any time.
 *
 *     {"state":…,"offset":N,"hash":"16 hex","eventfold":{"version":1,"reducer":"16 hex","position":N,
 *      "events":N,"changed":N,"checksum":"16 hex"},"sum":"16 hex"}\n
 *
 * state, offset (into app.jsonl) and hash (of the last folded line) are the crate's. `reducer` identifies the
 * reducer's content, `position` and `events` are the place in the whole history, "incomplete":true and
 * "missing" (holes.h) say that part of it was damaged when it was folded, `checksum` is xxh64 over app.jsonl
 * up to `offset`, and `sum` xxh64 over all bytes of the file before `,"sum"`. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"
#include "model/engine/holes.h"
#include "store/disk.h"
#include "store/log.h"
#include "store/reader.h"

struct snapshot {
	struct log_pos pos;
	uint64_t offset;    /* into the active log */
	uint64_t checksum;  /* over the active log up to there */
	uint64_t changed;   /* when the state last became another one, in ns since 1970; 0: not known */
	uint64_t reducer;   /* identity: xxh64 of the reducer's kind and content */
	struct holes holes; /* what of history was damaged when it was folded */
	struct slice state; /* points into the text it was parsed from */
};

/* The file's text. */
int must_check snapshot_write(const struct snapshot *s, struct buf *out);

/* Parses a file's text and checks all that can be checked without the log: form, sum. 1: it is none of ours
 * (the crate's, or damaged): why is in the diag. */
int must_check snapshot_parse(struct slice text, struct snapshot *ret, struct diag *diag);

/* The same of a text that this very program has just made: whether it is JSON is not asked again. */
int must_check snapshot_parse_trusted(struct slice text, struct snapshot *ret, struct diag *diag);

/* Does a file's text, whoever wrote it, claim an offset of 0 into the active log? */
bool snapshot_is_at_begin(struct slice text);

/* Checks it against the log: its place is a line boundary not beyond `limit`, the hash is that of the line
 * before it, the checksum holds. 1: it does not fit; why is in the diag. Asked for several, sort by pos.off:
 * the checksum goes on from one to the next. */
int must_check snapshot_check(const struct snapshot *s, struct reader *reader, uint64_t limit,
			      struct diag *diag);

/* Saves it: disk_replace() in the directory DATA/views. */
int must_check snapshot_save(const struct snapshot *s, struct disk *disk, int views_dirfd, const char *view);

/* Opens it for reading: a descriptor, or a negative errno. A link is none of ours, and could lead anywhere.
 */
int must_check snapshot_open(int views_dirfd, const char *view);

/* "NAME.snapshot.json"; `ret` has room for LIMIT_NAME + 32 bytes. */
void snapshot_file_name(const char *view, char *ret);
