/* The inside of the board, shared by board.c (the table, lives), board_status.c (how they are), waits.c (who
 * waits) and news.c (what the keeper and workers tell). */
#pragma once

#include "model/views/board.h"

struct waiter {
	struct waiter *next;
	struct views_request request;
	uint64_t need; /* how far the view must have read */
	bool asked;    /* its worker has been, for as much */
	struct views_answer answer;
};

/* When a state became what it is: ns since 1970. */
struct dates {
	uint64_t changed, changed_before; /* the state of `version`, and the one before */
	uint64_t defined;                 /* the reducer became what it is: no state is older */
	/* so much of the log was there before the daemon was, in bytes, and since when */
	uint64_t old_until, old_changed;
	bool open; /* a snapshot may know better when its state changed */
};

struct board_view {
	unsigned refs; /* under the lock */
	char name[LIMIT_NAME + 1];
	uint32_t id; /* of its life; 0: it has been removed */
	bool taken;  /* by the keeper */
	bool found, from_start;
	struct definition *def;

	struct board_source source; /* .worker NULL: none */
	uint64_t holes_turn;        /* `holes` are as of this change of them there */
	struct log_pos pos;         /* as last heard of */
	uint64_t version;
	uint64_t folded_before; /* by earlier workers */
	uint64_t folded, rate, state_bytes;
	uint64_t saved_off; /* a snapshot of it has read so far: known before the keeper hears of it */
	struct holes holes;
	struct dates dates;

	struct rendering *rendering;  /* the last one; NULL */
	struct log_pos rendering_pos; /* the last place where that was the state */
	uint64_t rendering_ms;        /* when that came, or was last read */
	struct waiter *waiters;
	bool probe;       /* its state is to be asked for although nobody waits */
	unsigned unheard; /* times that its worker was idle while somebody waited */

	struct board_post post;
	bool news;             /* followers have to be told of more than the version: */
	uint64_t told_version; /* the last that they were told of */
};

/* board.c; under the lock, as all here. */
struct board_view *board_find(struct board *b, const char *name);
static inline bool board_has(const struct board_view *v, uint32_t id)
{
	return v->id == id;
}
/* Ends what another thread has done: unlocks, and wakes the keeper where that has to call somebody. */
void board_leave(struct board *b);

/* waits.c */
void view_answer(struct board *b, struct board_view *v);
void view_fail(struct board *b, struct board_view *v, int error);
void view_unask(struct board_view *v);
/* Can it be answered with what is at hand? */
bool view_has(const struct board_view *v, const struct waiter *w);

/* news.c */
/* Brings it up to what its worker has left in shared memory, and answers. */
void view_sync(struct board *b, struct board_view *v);
/* Its state is another one, or it has broken: from now on, or from when the events came that are new to it.
 */
void view_touch(struct board_view *v);
/* It has no worker. */
void view_lose(struct board *b, struct board_view *v);
