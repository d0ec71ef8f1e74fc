/* DATA/app.jsonl.journal: where appended lines reach the disk without the file system having anything
 * else to write. A file of fixed size, filled with zeros once and then overwritten in a ring, one record
 * a durable append. docs/FORMAT.md has the bytes.
 *
 * The log's own file has the same bytes before anybody is told, but not durably. How far it is durable
 * (`settled`, an offset in history) stands in each record; what lies behind that in the newest ones is
 * what a power cut may have taken from the log. No record is overwritten that holds anything behind it.
 *
 * Belongs to the committer's thread. */
#pragma once

#include "store/disk.h"
#include "store/log.h"

#define JOURNAL_NAME "app.jsonl.journal"
#define JOURNAL_BLOCK DISK_BLOCK /* a record begins and ends on these: none shares a sector with another */
#define JOURNAL_BYTES (4u << 20) /* the ring */
#define JOURNAL_LARGEST (256u << 10) /* lines of one record; more go straight to the log */

struct journal;

/* Creates the file anew, readable to who may read the file `like`, and makes it durable, with one record that
 * says `settled`. */
int must_check journal_create(struct journal **ret, struct disk *disk, int dirfd, int like, uint64_t bytes,
			      bool shared, uint64_t settled);
void journal_free(struct journal *j);

/* Makes of the file `name` a journal with just these lines, which belong at `at` of history: all before is in
 * the log, durably. After a failure or a crash it is either that or what it was. */
int must_check journal_replace(struct disk *disk, int dirfd, const char *name, const struct log_pos *at,
			       struct slice lines);

/* Is there a place for these lines that needs nothing to be settled first? */
bool journal_takes(const struct journal *j, size_t len, uint64_t settled);

/* Writes lines that stand at `at` of history, and syncs. No lines: only tells `settled`. After a
 * failure nothing is known of what is on disk of it. */
int must_check journal_write(struct journal *j, uint64_t settled, const struct log_pos *at,
			     struct slice lines);

/* The same with lines of which it is not known yet whether they will stand there: their record counts only if
 * the next one goes on from them. Of a log that is shared. */
int must_check journal_propose(struct journal *j, uint64_t settled, const struct log_pos *at,
			       struct slice lines);

/* They will not: they were to stand at `off`. */
int must_check journal_withdraw(struct journal *j, uint64_t settled, uint64_t off);

/* Has the last record gone over the ring's middle, or its end? */
bool journal_is_at_half(const struct journal *j);

/* Is the file still what its name stands for? */
bool journal_is_there(const struct journal *j);

/* A journal that did not join the log is kept under such a name, from 1 on. */
void journal_kept_name(char name[static 64], unsigned n);
/* 1: there is one. */
int must_check journal_is_kept(struct disk *disk, int dirfd, unsigned n);

/* What a journal says that an earlier process has left. */
struct journal_record {
	uint64_t seq, settled, off;
	uint64_t before;    /* hash of the line that ends at `off`; 0: there is none, or it is not known */
	struct slice lines; /* in the content's memory */
	bool is_shared;
	bool is_proposal; /* and nothing goes on from it */
};

struct journal_content {
	char *data;
	struct journal_record *records; /* by offset; no two have the same place */
	size_t n;
	/* The newest of all, if it is a proposal: it is not among the others. No lines: it is none. */
	struct journal_record proposal;
	uint64_t settled;
	bool shared; /* others have the order, too */
	bool known;  /* there is a record at all; else all is 0 */
};

/* Of the file `name`; none, or nothing in it: 0, and not known. -EPROTO: of another version. Has older
 * records, too, which the ring still holds: journal_behind() leaves those with something behind an offset. */
int must_check journal_load(struct journal_content *ret, struct disk *disk, int dirfd, const char *name);
void journal_behind(struct journal_content *c, uint64_t off);
/* Up to where history goes on without a gap from `off`, by the records. */
uint64_t journal_reaches(const struct journal_content *c, uint64_t off);
void journal_content_deinit(struct journal_content *c);
