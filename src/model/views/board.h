/* What all threads see of the views: which there are, their states as of now, what is wrong with them, and
 * who waits for them. It is the only state that they share. What is to become of a view the board does not
 * know: that is its life, and the keeper's (keeper.h), who puts here what others have to see.
 *
 * Threads. One lock; no system call, message or callback (but `cancelled`) under it. Any thread may ask, wait
 * and cancel; the catalog's names the views; the functions below "The keeper" are the keeper's alone. Who has
 * waited is called by the keeper (board_call_finished()): where another thread's call leaves somebody
 * answered, or the keeper something to do, the board wakes it.
 *
 * What always holds while nobody has the lock (board_is_sound()):
 *   1. The views are sorted by name; no two have one name, or one id; no id is above `last_id`.
 *   2. For a view that can't be read nobody waits. Once the end has begun, nobody waits for any.
 *   3. Nobody waits for what is at hand.
 *   4. No rendering has a version above its view's.
 *   5. Where there is no source nobody has been asked.
 *   6. A view's past is before its present: `changed_before` ≤ `changed`. */
#pragma once

#include <pthread.h>

#include "base/diag.h"
#include "base/limits.h"
#include "model/catalog/definition.h"
#include "model/engine/holes.h"
#include "model/link/handle.h"
#include "model/views/views.h"

/* A name on the board; it may have several lives, one after the other, each with an id of its own. Counted:
 * who has a reference may ask after a life of it when that is over. */
struct board_view;

struct board_options {
	uint64_t start_head;                           /* so much of the log, in bytes, was there before, */
	uint64_t log_changed;                          /* and since when, in ns since 1970 */
	bool (*cancelled)(void *arg, const void *key); /* see views_options; under the lock */
	void *cancelled_arg;
	void (*wake)(void *arg); /* the keeper; not under the lock */
	void *wake_arg;
	size_t kept_bytes; /* renderings up to this size are kept, whether anybody reads them or not */
};

struct board {
	struct board_options options; /* constant */

	pthread_mutex_t lock;
	struct board_view **views; /* sorted by name */
	size_t n_views, cap_views;
	uint32_t last_id;
	uint64_t lives; /* that have begun or ended */
	bool started;   /* what comes from now on is new */
	bool stopping;
	struct waiter *finished;         /* answered, but for the call */
	char (*removed)[LIMIT_NAME + 1]; /* names whose going has to be told */
	size_t n_removed, cap_removed;
};

void board_init(struct board *b, const struct board_options *options);
void board_deinit(struct board *b);
bool board_is_sound(struct board *b);

/* Any thread. */

/* A new view, or another definition (taken) for one: another life, unless it is the same but for its dates.
 */
int must_check board_put(struct board *b, const char *name, struct definition *def);
void board_remove(struct board *b, const char *name);
/* Another life, from the first event on, for one or (NULL) for all. */
int must_check board_renew(struct board *b, const char *name);

int must_check board_status(struct board *b, const char *name, struct view_status *ret);
int must_check board_list(struct board *b, struct view_status **ret, size_t *ret_n);
/* Is its state kept? Not that of a broken one. *ret_off: how far its snapshot has read; 0: there is none. */
bool board_keeps(struct board *b, const char *name, uint64_t *ret_off);
/* The saver has saved one. */
void board_saved(struct board *b, const char *name, uint32_t id, uint64_t off);
int must_check board_definition(struct board *b, const char *name, struct definition **ret);

/* See views_want(). Where a worker has to be asked it is returned (a reference), with what it is to be asked
 * in *ret_want. */
struct worker_handle *board_want(struct board *b, const char *name, const struct views_request *q,
				 uint64_t need, struct message *ret_want);
/* It could not be asked: the keeper is to do that. */
void board_unask(struct board *b, const char *name);
void board_cancel(struct board *b, const void *key);
/* From now on nobody waits: all who do, and all who come, are answered with -ESHUTDOWN. */
void board_stop(struct board *b);

/* The keeper. */

/* Calls those who are answered. */
void board_call_finished(struct board *b);
/* Who has been found until now was there when everything began. */
void board_start(struct board *b);

/* A life that has begun; `def` and `view` are references. */
struct board_life {
	struct board_view *view;
	uint32_t id;
	struct definition *def;
	bool found, from_start;
};
/* Grows with every life that begins or ends. */
uint64_t board_lives(struct board *b);
/* The next one that the keeper has not taken yet; false: there is none. */
bool board_next_life(struct board *b, struct board_life *ret);
/* It could not be kept: it is returned again. Takes the references. */
void board_give_back(struct board *b, struct board_life *life);
bool board_is_over(struct board *b, const struct board_view *view, uint32_t id);
const char *board_name(const struct board_view *view);     /* constant */
void board_drop(struct board *b, struct board_view *view); /* the reference; NULL is fine */

/* The next view of which followers have to be told something, or one that is gone. `ret_name` has room for
 * LIMIT_NAME + 1 bytes. */
bool board_next_change(struct board *b, char *ret_name);

/* All that follow do nothing where that life is over. */

/* How it is, as far as the keeper decides that. */
enum board_trouble {
	BOARD_FINE,
	BOARD_WANTING, /* something that it needs can't be had for a while */
	BOARD_STALLED, /* its worker can't read the log */
	BOARD_BROKEN,
};
struct board_post {
	enum board_trouble
	    trouble;     /* all but the first: it can't be read, and whoever waits is answered with -EIO */
	struct diag why; /* of the last two */
	struct diag waits_for; /* what could not be had; empty: nothing */
	bool paused;           /* its worker is not to be asked by the keeper now */
	bool apart, alone;
	uint64_t snapshot_off, snapshot_time;
};
void board_post(struct board *b, struct board_view *view, uint32_t id, const struct board_post *post);

/* The worker that has it from now on (a reference of the board's own), in which place, and with which version
 * it has begun there. */
struct board_source {
	struct worker_handle *worker;
	uint32_t slot;
	uint64_t version;
};
void board_source(struct board *b, struct board_view *view, uint32_t id, const struct board_source *s);
/* The same for its heir, whose packet says what its state lacks. */
void board_inherit(struct board *b, struct board_view *view, uint32_t id, const struct board_source *s,
		   const struct packet *p);
/* It has none. `recount`: the next one's versions begin above all that were seen. */
void board_lose(struct board *b, struct board_view *view, uint32_t id, bool recount);

/* What is known of it now, from the shared memory of its worker, too. */
struct board_facts {
	struct log_pos pos;
	uint64_t version, state_bytes;
};
bool board_look(struct board *b, struct board_view *view, uint32_t id, struct board_facts *ret);

/* The version of its rendering here; 0: there is none. */
uint64_t board_rendered(struct board *b, struct board_view *view, uint32_t id);

#define BOARD_KEEP_MS 10000 /* so long a large rendering that nobody reads is kept */
/* Lets go of its rendering where it is large, has not been read for that long, and nobody has it open. When
 * to come back, by clock_ms(); CLOCK_FOREVER: there is nothing to let go of. */
uint64_t board_let_go(struct board *b, struct board_view *view, uint32_t id, uint64_t now_ms);

/* What a worker says. Nothing is believed that can't be. */

/* Of a state: that it is there, perhaps with its rendering (taken). True: it is this life's worker, and can
 * be; *ret is then a reference to the rendering that goes with the message, or NULL. */
bool board_take_state(struct board *b, struct board_view *view, uint32_t id, struct worker_handle *h,
		      const struct message *m, struct rendering *r, struct rendering **ret);
/* It has added the view, that begins at the message's place. */
void board_take_added(struct board *b, struct board_view *view, uint32_t id, const struct packet *p);
void board_take_holes(struct board *b, struct board_view *view, uint32_t id, const struct packet *p);
/* What is lacking in it, before `off`. */
struct holes board_holes(struct board *b, struct board_view *view, uint32_t id, uint64_t off);
/* Something has changed in what it shares. */
void board_take_changes(struct board *b, const struct worker_handle *h);
/* It says that it has nothing left to do. Then nobody can be waiting for it: they are asked for once more.
 * False: that has come to the same several times: it is a worker that can't be believed. */
bool board_take_idle(struct board *b, const struct worker_handle *h);
/* What the worker was asked for did not come through, and is to be asked for once more; unasked, where nobody
 * waits since it can't be read. */
void board_ask_again(struct board *b, struct board_view *view, uint32_t id);
/* What the worker has still to be asked for, of one view: a list, the caller's to free, and its length; 0:
 * nothing. -ENOMEM. */
ssize_t board_next_wants(struct board *b, const struct worker_handle *h, struct message **ret);
