/* What the files of the event log share. Private to them. */
#pragma once

#include <pthread.h>

#include "store/archive.h"
#include "store/eventlog.h"
#include "store/index.h"
#include "store/journal.h"

#define ACTIVE_NAME "app.jsonl"
#define SEALED_NAME "app.jsonl.sealed"
#define FRESH_NAME ".app.jsonl.new" /* while a rotation swaps it in */
#define TORN_NAME "app.jsonl.torn"
#define ARCHIVE_NAME "archive.jsonl.zst"
#define ARCHIVE_TORN_NAME "archive.jsonl.zst.torn"

/* An immutable set of files, counted, so that descriptors can be copied without a lock. */
struct layout {
	_Atomic unsigned refs;
	struct log_files files;
};
int must_check layout_new(struct layout **ret, struct log_files *files /* taken, on failure too */);
void layout_unref(struct layout *l);
static inline void layout_unrefp(struct layout **l)
{
	layout_unref(*l);
}

/* The second half of a rotation, between its steps. */
struct rotation {
	struct layout *next;      /* as it will be; NULL: none is under way */
	int fd;                   /* of the archive; -1: not open */
	uint64_t begin;           /* what counted of the archive before it */
	struct archive_mark mark; /* what will count */
	bool shared;              /* the archive has another name */
};
#define ROTATION_NONE ((struct rotation){.fd = -1})

struct eventlog {
	struct disk *disk;
	int dirfd;
	struct eventlog_options options;

	/* The committer's, and the opening's. */
	int active_fd; /* read and write, holds the lock */
	uint64_t active_size;
	/* Behind that, written ahead: bytes, lines; and the bytes that the disk was told to begin with. */
	size_t ahead, ahead_lines, ahead_begun;
	struct disk_file active_is; /* what its name stood for when it was opened (identity.h) */
	struct journal *journal;    /* NULL: there is none */
	bool journal_left;          /* the file of one that is used no more is still there */
	uint64_t covered;           /* of history: in the journal, or settled */
	bool pressed;               /* half of the ring has been gone through */
	/* The journal's last record, where that is a proposal which is not in the log yet: no lines, none. */
	uint64_t proposed_off, proposed_sum, proposed_us;
	size_t proposed_len;
	uint64_t
	    doubtful; /* of history: up to here by a proposal that nothing goes on from yet, or settled */
	bool aside;   /* there is an app.jsonl.proposed (proposed.h) */
	struct groups *groups; /* the notes of groups (groups.h); NULL: there was none yet */

	/* Whoever has set `busy`. */
	int sealed_fd;      /* holds the lock of the sealed file; -1: there is none */
	bool end_missing;   /* the archive is complete but for its END */
	bool archive_rests; /* behind what counts of it may be what a rotation that failed has left */
	struct disk_file sealed_is, archive_is; /* inode 0: there is none */
	struct rotation rotation;
	pthread_mutex_t lock; /* for all below; never held across a system call */
	struct layout *layout;
	uint64_t generation; /* of the layout, as others are told it */
	struct log_pos
	    head; /* head.off is the active file's begin plus active_size, but for a moment while appending */
	uint64_t frames;       /* in the archive, as far as it counts; changed by whoever has set `busy` */
	uint64_t latest;       /* the greatest time in it, as its last record says; likewise */
	struct record_sha sha; /* of all in it, likewise */
	bool sha_made;      /* here: what stood there at the opening is not believed before a look (sha.h) */
	uint64_t noted_off; /* what eventlog_note_sha() was told */
	struct record_sha noted_sha;
	bool busy;                    /* somebody seals or archives */
	uint64_t settled;             /* of history: durable in the log's own files */
	struct journal *journal_made; /* for the committer to go on with */
	bool journal_on;
	uint64_t sync_us;
	_Atomic bool failed; /* set under the lock, with why */
	_Atomic uint64_t
	    grouped; /* of history: behind the last group that was appended; before the head is */
	char why[128];
	char rotation_why[128]; /* why the last try to rotate has failed; empty: it has not */
	uint64_t commits, appended, recovered;
	uint64_t active_rest, archive_rest, group_rest, journal_rest; /* set by the opening */
};

/* The layout now, as a reference of the caller's. */
struct layout *eventlog_layout(struct eventlog *log);
/* Replaces the layout, by the next generation. */
void eventlog_set_layout(struct eventlog *log, struct layout *layout, uint64_t frames);
/* One line for options.report, if there is one. */
void eventlog_report(struct eventlog *log, const char *fmt, ...) printf_like(2, 3);
/* "WHAT: the error", for the opening; returns the error. */
int eventlog_say(struct diag *diag, int error, const char *what);
/* From now on nothing is written any more. Returns -EIO; `error` (0: none) goes into the reason. */
int eventlog_fail(struct eventlog *log, int error, const char *what);
/* Sets `busy`; false where it is set already. */
bool eventlog_claim(struct eventlog *log);
void eventlog_release(struct eventlog *log);

/* ahead.c: what was written ahead is a part of the log now, or has been cut off. */
void eventlog_ahead_is_taken(struct eventlog *log);

/* recover.c: opens the files, mends them, fills in layout and head. */
int must_check recover(struct eventlog *log, struct diag *diag);

/* rotate.c: appends the archive's END where it is missing, and makes it durable. */
int must_check rotate_end(struct eventlog *log);
/* The archive as the layout has it. */
struct archive_mark rotate_mark(struct eventlog *log, const struct layout *l);
/* How a try to rotate has ended, for those who ask how the log is. */
void rotate_note(struct eventlog *log, int result, const char *what);
