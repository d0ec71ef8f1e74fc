/* What the files of the index share. Private to them.
 *
 *     ids.c     who waits, the thread, what is known
 *     feed.c    reading the log on
 *     runs.c    the files: what is loaded, written, merged
 *     find.c    looking up */
#pragma once

#include <pthread.h>

#include "model/ids/ids.h"
#include "model/ids/run.h"
#include "store/cursor.h"

#define IDS_RECENT (1u << 17)   /* ids in memory before a file is made of them */
#define IDS_STRETCH (64u << 20) /* or so much of history, whatever its ids */
#define IDS_FULL 4              /* tables that wait for their file */

struct ids_look {
	struct live_reader live;
	struct cursor cursor;
	uint64_t life; /* in which it has read what it holds */
	struct event event;
	struct buf line;
	struct ids_entry *entries; /* of a block */
	size_t n, cap;
};

/* Under the lock:
 *   1. The stretches of the runs, of the full tables and of the recent one follow each other without a gap
 *      from history's begin to `covered`.
 *   2. Whoever has set `feeding` adds; nobody else moves `covered` on. Only the thread makes runs.
 *   3. A new `life` has begun wherever all is forgotten: who has read for an older one adds nothing. */
struct ids {
	struct eventlog *log;
	struct disk *disk;
	int data_fd;
	struct ids_options options;
	struct mailbox box;
	struct mail kick;
	_Atomic bool kicked;     /* it is in the box */
	_Atomic bool ending;     /* set under the lock: nothing is posted any more */
	_Atomic bool in_use;     /* `ready`, for those who have no time for the lock */
	_Atomic uint64_t so_far; /* covered.off, for the same */

	pthread_mutex_t lock;
	pthread_cond_t moved; /* `feeding` has ended */
	bool wanted, ready, feeding;
	uint64_t life;
	struct log_pos covered;
	struct ids_table *recent; /* NULL: of no length */
	struct ids_table *full[IDS_FULL];
	size_t n_full;
	struct ids_run *runs[IDS_SLOTS];
	size_t n_runs;
	int unstored; /* why the last try to make a file failed */

	/* The thread's own. */
	struct ids_look *look;
	struct ids_wait *waiting;
	bool loaded;        /* what lies on disk has been looked at */
	uint64_t seen_life; /* of which it has removed the files before */
};

/* feed.c. One block further, up to `head`: 0, and covered.off says how far that was. */
int must_check ids_feed(struct ids *ids, struct ids_look *look, uint64_t head);
/* Forgets all. Under the lock, or where nobody else knows the index. */
void ids_forget(struct ids *ids);
/* It is not this log's: it begins anew. Any thread. */
void ids_doubt(struct ids *ids, const char *why);
void ids_kick(struct ids *ids);

/* runs.c; on the thread. */
int must_check ids_runs_load(struct ids *ids);
/* A file of each table that is full, merged where that is due. */
void ids_runs_save(struct ids *ids);
/* And of what is in memory still, at the end. */
void ids_runs_save_rest(struct ids *ids);

/* find.c: the line that begins at `off`, and what it says. 1: it is no event, or none begins there; -EBADMSG:
 * it can't be read for damage. */
int must_check ids_look_at(struct ids_look *look, uint64_t off, uint64_t head, struct ids_found *ret);

static inline void ids_report(struct ids *ids, const char *text)
{
	if (ids->options.report)
		ids->options.report(ids->options.arg, text);
}
