/* Where in the log the event with an id is: an index of all of history, kept beside the log as a cache.
 *
 *     ids_want(ids, &wait)             it is built, or goes on, up to the head as it is now; then wait.done
 *     …
 *     ids_follow(ids, look, head)      goes on to this head, on the thread that asks
 *     ids_find(ids, look, id, …)       what has this id
 *
 * What is appended by others costs nothing here: the index is a fold over the log with a place of its own,
 * and reads the lines when somebody asks. The newest ids are in memory (table.h), the others in files
 * (run.h). It is never believed alone: what it says is there is read in the log and shown to who asks, and
 * what it says is not there is not there, or ids_find() says that it does not know.
 *
 * What can't be read, or is no event, may have any id: where there is such a thing in history, nobody can be
 * told that an id is new. The index begins anew when it is found not to be that of this log.
 *
 * Threads: ids_want() and ids_stats() from any; following and finding from any, each with a look of its own.
 * `done` comes on the index's own thread, which builds, writes files and merges them. */
#pragma once

#include "base/mailbox.h"
#include "model/event/event.h"
#include "store/live_reader.h"

struct ids;

/* What one thread looks at the log with. */
struct ids_look;
int must_check ids_look_new(struct ids_look **ret, struct ids *ids);
void ids_look_free(struct ids_look *look);

struct ids_options {
	/* One line for a person: why the index could not be stored, or was not the log's. May be NULL. Any
	 * thread. */
	void (*report)(void *arg, const char *text);
	void *arg;
	/* For tests: a file is made when so many ids are in memory; 0: as usual. */
	size_t recent;
};

/* Of the log in the directory `data_fd`; all three are borrowed. Nothing is read before somebody wants it. */
int must_check ids_start(struct ids **ret, struct eventlog *log, struct disk *disk, int data_fd,
			 const struct ids_options *options);
/* Ends the thread: those who still wait, and whoever comes later, are told -ESHUTDOWN. What is known can
 * still be followed and found. */
void ids_end(struct ids *ids);
/* It has been ended, or has not started, and nobody follows or finds any more. NULL is fine, as above. */
void ids_free(struct ids *ids);

/* Embedded in what its owner needs to go on. */
struct ids_wait {
	struct mail mail;      /* private */
	struct ids_wait *next; /* private */
	uint64_t until;        /* private */
	struct ids_look *look; /* in done(): one to find with */
	/* Does nobody wait any more? Asked now and then. NULL: somebody does. */
	bool (*given_up)(const struct ids_wait *wait);
	/* 0: the index goes up to the head as it was when this was asked; -EINTR: given up; else why there is
	 * none. */
	void (*done)(struct ids_wait *wait, int error);
};
void ids_want(struct ids *ids, struct ids_wait *wait);

/* Begins anew, where it is in use: what could not be read may have been mended. Any thread. */
void ids_renew(struct ids *ids);

/* The head has moved: an index that is in use and lags far behind goes on by itself. Cheap. Any thread. */
void ids_head_moved(struct ids *ids);

/* Goes on to this place of the log, and waits for no file of the index. -EAGAIN: there is no index just now,
 * it is being built (anew), or has to be stored before it goes on: whoever wants it waits for it. Else why
 * it could not. */
int must_check ids_follow(struct ids *ids, struct ids_look *look, uint64_t head);

/* An event in the log. */
struct ids_found {
	struct slice line; /* without its newline; valid during the call */
	const struct event *event;
	uint64_t off;
};

/* Shows each event with this id up to the place of the last ids_follow(), the oldest first, until `seen` says
 * other than 0: that is the result. 0: there is none (any more). -EIO: nothing was seen, but there are events
 * whose ids are not known. -EAGAIN: as above. */
int must_check ids_find(struct ids *ids, struct ids_look *look, struct slice id,
			int (*seen)(void *arg, const struct ids_found *found), void *arg);

/* The hash by which an id is kept. */
uint64_t ids_print(struct slice id);

enum ids_stage { IDS_UNUSED, IDS_BUILDING, IDS_READY };
struct ids_stats {
	enum ids_stage stage;
	uint64_t ids;    /* that are known, */
	uint64_t off;    /* up to this place */
	unsigned files;  /* in which most of them are */
	uint64_t memory; /* bytes */
	uint64_t lacks;  /* where history begins to lack ids; UINT64_MAX: nowhere */
};
void ids_stats(struct ids *ids, struct ids_stats *ret);
