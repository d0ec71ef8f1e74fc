/* What eventlog.c, recover.c and rotate.c share. Private to them. */
#pragma once

#include <pthread.h>

#include "store/eventlog.h"
#include "store/index.h"

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

struct eventlog {
	struct disk *disk;
	int dirfd;
	struct eventlog_options options;

	/* The committer's, and the opening's. */
	int active_fd; /* read and write, holds the lock */
	uint64_t active_size;
	struct disk_file active_is; /* what its name stood for when it was opened (identity.h) */

	/* Whoever has set `busy`. */
	int sealed_fd;      /* holds the lock of the sealed file; -1: there is none */
	bool end_missing;   /* the archive is complete but for its END */
	bool archive_rests; /* behind what counts of it may be what a rotation that failed has left */
	struct disk_file sealed_is, archive_is; /* inode 0: there is none */
	pthread_mutex_t lock;                   /* for all below; never held across a system call */
	struct layout *layout;
	uint64_t generation; /* of the layout, as others are told it */
	struct log_pos
	    head; /* head.off is the active file's begin plus active_size, but for a moment while appending */
	uint64_t frames;     /* in the archive, as far as it counts; changed by whoever has set `busy` */
	bool busy;           /* somebody seals or archives */
	_Atomic bool failed; /* set under the lock, with why */
	char why[128];
	char rotation_why[128]; /* why the last try to rotate has failed; empty: it has not */
	uint64_t commits, appended, recovered;
	uint64_t active_rest, archive_rest; /* set by the opening */
};

/* The layout now, as a reference of the caller's. */
struct layout *eventlog_layout(struct eventlog *log);
/* Replaces the layout, by the next generation. */
void eventlog_set_layout(struct eventlog *log, struct layout *layout, uint64_t frames);
/* From now on nothing is written any more. Returns -EIO; `error` (0: none) goes into the reason. */
int eventlog_fail(struct eventlog *log, int error, const char *what);
/* Sets `busy`; false where it is set already. */
bool eventlog_claim(struct eventlog *log);
void eventlog_release(struct eventlog *log);

/* recover.c: opens the files, mends them, fills in layout and head. */
int must_check recover(struct eventlog *log, struct diag *diag);

/* rotate.c: appends the archive's END where it is missing, and makes it durable. */
int must_check rotate_end(struct eventlog *log);
