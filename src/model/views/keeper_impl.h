/* The inside of the keeper: see keeper.h for its files. All here is the keeper's thread's. */
#pragma once

#include "base/again.h"
#include "model/views/board.h"
#include "model/views/keeper.h"
#include "model/views/life.h"
#include "model/views/saver.h"

/* A life that it keeps. */
struct resident {
	struct board_view *view; /* a reference */
	uint32_t id;
	struct definition *def; /* a reference */
	uint64_t load_bytes;    /* of its snapshot's file, when its life began */
	struct life life;
	struct diag why; /* it is broken, or stalled */
	/* What it needs could not be had (descriptors, memory, a worker), and is asked for again; empty: it
	 * has all. */
	struct diag waits_for;
	struct again again;

	/* Where life.stage says so, its worker, and its place there. */
	struct worker_handle *worker;
	uint32_t slot;
	uint64_t renew_off; /* its worker ends once a snapshot from there on is saved */
	unsigned solo;      /* the worker that is its own, while it is one alone */
	uint64_t trial_off; /* it has to come as far, at least, before it is handed over from there */

	/* While life.move says so: what is packed for the main worker, with its version there, and what that
	 * is told. */
	int parcel_fd; /* -1: none */
	uint64_t parcel_version;
	struct worker_handle *heir;
	uint32_t heir_slot;
	struct again handing; /* it could not be handed over for want of something */

	struct {
		bool wanted;        /* as soon as it can be */
		uint64_t off, time; /* of the last one; 0: none */
		uint64_t skip;      /* there could be none up to here; UINT64_MAX: no more at all */
	} snapshot;

	/* times in a row that a worker was killed from outside on the event at suspect_off */
	unsigned suspicions;
	uint64_t suspect_off;
};

/* A view that a worker has, and is to forget; and perhaps a descriptor that nobody needs any more. */
struct gone {
	struct worker_handle *worker; /* NULL: just the descriptor */
	uint32_t id, slot;
	int fd;
};

struct keeper {
	struct keeper_options options;
	struct board *board;
	struct saver *saver;
	int views_fd; /* DATA/views */
	struct crew crew;
	pthread_t thread;
	int kick_fd; /* an eventfd: the thread has something to do */
	_Atomic bool save_all, stopping;

	/* The thread has tried to start the first worker: result and why. */
	pthread_mutex_t start_lock;
	pthread_cond_t start_cond;
	bool started;
	int start_result;
	struct diag start_why;

	/* The thread's own. */
	struct resident **residents; /* sorted by name */
	size_t n_residents, cap_residents;
	uint64_t lives;      /* board_lives() when they were looked at, */
	struct again taking; /* and could not all be taken */
	struct gone *gone;
	size_t n_gone, cap_gone;
	uint64_t stop_ms;      /* when the end began; 0: it has not */
	uint64_t head;         /* bytes, as of this turn */
	uint64_t active_begin; /* the main worker's */
	unsigned handovers;    /* under way, as of this turn: each has a descriptor */
	uint64_t let_go_ms;    /* when to look for renderings that nobody reads */
	uint64_t large_ms; /* by then the large views are loaded, whether the small ones are there or not */
};

void keeper_report(struct keeper *k, const char *fmt, ...) printf_like(2, 3);

/* resident.c */

/* Takes the lives that have begun, lets go of those that are over. */
void residents_update(struct keeper *k);
void residents_free(struct keeper *k);
struct resident *resident_find(struct keeper *k, uint32_t id); /* NULL: there is none */
/* Something has happened to it: a step of its life, and what is to be done then. */
void resident_happens(struct keeper *k, struct resident *r, enum life_event what);
/* The same with a message from its worker or heir that goes with it. */
void resident_hears(struct keeper *k, struct resident *r, enum life_event what, const struct packet *p);
void resident_breaks(struct keeper *k, struct resident *r, const char *why);
/* What it needs could not be had (why): `what` is one of those that end in a pause. */
void resident_lacks(struct keeper *k, struct resident *r, enum life_event what, const char *why);
/* Puts on the board how it is. */
void resident_post(struct keeper *k, const struct resident *r);
/* What the board knows of it; all zero where its life is over. */
struct board_facts resident_look(struct keeper *k, const struct resident *r);
/* Which worker it belongs to. */
unsigned resident_place(const struct keeper *k, const struct resident *r);
static inline bool resident_is_homeless(const struct resident *r)
{
	return r->life.stage == LIFE_HOMELESS;
}
/* A worker is to forget a view (the reference and the descriptor are taken), */
void keeper_forget(struct keeper *k, struct gone gone);
/* and is told so: false where there is none any more, or no room. */
bool keeper_forget_one(struct keeper *k);

/* A place for a worker of one view; 0: there is no room (death.c). */
unsigned keeper_free_solo(const struct keeper *k);
/* answer.c, death.c: see crew_options */
void keeper_said(void *arg, struct worker_handle *h, struct packet *p);
void keeper_ended(void *arg, unsigned which);

/* dispatch.c: tells the workers what they have to know: views to forget and to add, what is waited for, and
 * what is to be saved. Sets a worker's `full` where it must go on once there is room. */
void keeper_dispatch(struct keeper *k);
/* When what could not be had is to be asked for again; CLOCK_FOREVER: there is nothing. */
uint64_t keeper_again_time(const struct keeper *k);

/* add.c. True: one has been added, or handed over; there may be more. */
bool keeper_add_one(struct keeper *k, unsigned which);
bool keeper_hand_over_one(struct keeper *k);
/* Which of the workers have something to do. */
void keeper_needs(const struct keeper *k, bool ret[static WORKERS]);
/* The worker could not be started (why), or (NULL) is there: for those who need it. */
void keeper_tell_homeless(struct keeper *k, unsigned which, const char *why);

/* saves.c */
bool resident_save_due(struct keeper *k, const struct resident *r);
/* It has caught up with the head, so it can join the others. */
bool resident_move_due(struct keeper *k, const struct resident *r);
/* Asks the worker for the next state that is to be saved or handed over; false: there is none, or no room. */
bool keeper_save_one(struct keeper *k, struct worker_handle *h);
/* The worker has answered; `r`: the rendering that goes with it, or NULL. */
void resident_save(struct keeper *k, struct resident *r, const struct message *m,
		   struct rendering *rendering);
/* What the saver has done. */
void keeper_take_saved(struct keeper *k);
/* The log has been rotated: to those who know the active log only, the snapshots say nothing any more. */
void keeper_save_anew(struct keeper *k, uint64_t active_begin);
void keeper_count_handovers(struct keeper *k);
/* At the end: is there still something to be saved? */
bool keeper_saves(struct keeper *k);

/* renew.c: true where the worker is to end, and the next one to go on with what has been saved. */
bool keeper_renews(struct keeper *k, struct worker_handle *h);
