/* What is new in the mount, for all who follow it: one reader of each followed file, whoever many follow.
 *
 * A thread of its own is told by inotify that the log has grown or a view has changed, and looks once a
 * second besides. It reads what is new once, keeps the newest of the log in a window, and wakes those who
 * wait. They have their own places: nobody waits for a slow one, who reads on from the log itself when the
 * window has moved on. It keeps nothing of the mount open, and goes on when a mount that was gone is back.
 *
 * hub_start(), hub_stop() by the server's main thread; the rest by any thread, between the two. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/limits.h"

/* A text that is shared and never changed. */
struct hub_text {
	_Atomic unsigned refs;
	size_t len;
	char data[];
};

struct hub_text *hub_text_ref(struct hub_text *text);
struct hub_text *hub_text_unref(struct hub_text *text); /* NULL, which is fine to give as well */

struct hub_view {
	struct hub_view *next;
	char name[LIMIT_NAME + 1];
	/* under the hub's lock */
	uint64_t changed;       /* the number of its last change */
	unsigned followers;     /* those who want its text */
	struct hub_text *text;  /* NULL: not read yet */
	uint64_t text_number;   /* the number of the change that made it */
	uint64_t read_number;   /* the number of the change that it was last read after */
	bool is_broken;         /* `text` says why */
	uint64_t not_before_ms; /* a large state is not read all the time */
};

struct hub {
	const char *mnt;
	pthread_t thread;
	bool is_started;
	int wake;

	/* the hub's thread's own */
	int inotify, watch_log, watch_views;
	dev_t dev;
	uint64_t status_ms; /* the last look at status.json */

	pthread_mutex_t lock;
	pthread_cond_t cond;
	/* under the lock */
	bool is_stopped, is_up;
	uint64_t epoch;   /* counts mounts: in another one there may be another log */
	uint64_t news;    /* counts all that changes here */
	uint64_t head;    /* the log's length */
	uint64_t from;    /* the window has [from, head); from <= head, head - from <= WEB_WINDOW */
	char *window;     /* the byte at `off` is at off % WEB_WINDOW */
	unsigned lookers; /* those who want status.json */
	struct hub_text *status;
	uint64_t status_number;
	uint64_t changes; /* the number of the last change of any view */
	struct hub_view *views;
};

int must_check hub_start(struct hub *h, const char *mnt, struct diag *diag);
void hub_stop(struct hub *h);   /* wakes all who wait, for good; waits for nobody */
void hub_deinit(struct hub *h); /* when nobody uses it any more */

/* The number of the last news; waits until it is another than `seen`, for `ms` at most. */
uint64_t hub_news(struct hub *h);
void hub_wait(struct hub *h, uint64_t seen, unsigned ms);
bool hub_is_stopped(struct hub *h);
bool hub_is_up(struct hub *h); /* false, too, until the first look */

/* Bytes of the log from `off` on: how many, 0 where there are none yet, -ERANGE where they are older than
 * the window, -ESPIPE where the log is shorter than that: it is another one than that which had a line's
 * end there before hub_epoch() was `epoch`. The hub may be a little behind the log. */
ssize_t hub_read_log(struct hub *h, uint64_t epoch, uint64_t off, char *out, size_t room);
uint64_t hub_epoch(struct hub *h);

/* From now on the view's text is read when it changes. NULL: no memory, or too many names. */
struct hub_view *hub_follow(struct hub *h, const char *name);
void hub_unfollow(struct hub *h, struct hub_view *v);
/* Its text, if that is another than the one of *seen; else NULL. The caller's reference. */
struct hub_text *hub_view_text(struct hub *h, struct hub_view *v, uint64_t *seen, bool *ret_broken);

/* From now on status.json is read when something happens. */
void hub_look(struct hub *h);
void hub_unlook(struct hub *h);
struct hub_text *hub_status(struct hub *h, uint64_t *seen);
/* A JSON array of the names of the views that have changed since *seen. False: none. */
bool hub_changed_views(struct hub *h, uint64_t *seen, struct buf *out);
