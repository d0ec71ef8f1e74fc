/* The life of a view, from the moment when the catalog names its reducer until that is edited, removed, or to
 * be rebuilt: then another life begins. Pure: what has happened goes in, what is to be done comes out. No
 * lock, no system call; tested as a table.
 *
 * A life is four small states, for they change apart from each other: a view folds on while its state is
 * written to the disk.
 *
 *   home   which worker it belongs to: new ones prove themselves in the rebuild worker, suspects in one of
 *          their own
 *   stage  how it stands there:  HOMELESS → COMING → FOLDING ⇄ STALLED,
 *          and back to HOMELESS when it loses its worker
 *   save   a snapshot of its state:  NOT → ASKED (the worker) → RUNS (at the saver) → NOT
 *   move   its state on the way to the main worker:
 *          NOT → MEANT (is what is saved) → PACKED → OFFERED → NOT: it has moved
 *
 * What always holds (life_is_sound()):
 *   1. Without a worker (BROKEN, HOMELESS, GONE) nothing is asked for, and nothing is on its way.
 *   2. A state that is MEANT for the main worker is being asked for, or is at the saver.
 *   3. Only a life in the rebuild worker or on trial is on its way to the main worker. */
#pragma once

#include <stdbool.h>

enum life_home {
	HOME_MAIN,    /* with the others */
	HOME_REBUILD, /* new, changed or far behind: in the rebuild worker until it has caught up */
	HOME_STAYS,   /* it stays there: its state can't be handed over */
	HOME_TRIAL,   /* in a worker of its own until it has caught up there */
	HOME_ALONE,   /* in a worker of its own */
	HOME_LARGE,   /* the same, for the others would wait while its state is loaded */
};

enum life_stage {
	LIFE_GONE,     /* it is over */
	LIFE_BROKEN,   /* its reducer can't be used, or has failed: until there is another life */
	LIFE_HOMELESS, /* no worker has it */
	LIFE_COMING,   /* its worker has been told, and has not said yet that it has it */
	LIFE_FOLDING,
	LIFE_STALLED, /* its worker can't read the log, and goes on trying */
};

enum life_save { SAVE_NOT, SAVE_ASKED, SAVE_RUNS };
enum life_move { MOVE_NOT, MOVE_MEANT, MOVE_PACKED, MOVE_OFFERED };

struct life {
	enum life_home home;
	enum life_stage stage;
	enum life_save save;
	enum life_move move;
	unsigned trials; /* so often it was suspected */
	bool proven;     /* the main worker has had it: that takes it from the start, too */
	bool from_start; /* what has been saved of it is not to be used */
};

/* What can happen to it. */
enum life_event {
	/* All of it. */
	LIFE_ENDS,      /* another life begins, or the view is removed */
	LIFE_BREAKS,    /* it is to blame */
	LIFE_SUSPECTED, /* of having ended a worker that others had, too */
	LIFE_ACQUITTED, /* somebody else was found guilty */
	LIFE_MISREAD,   /* its worker ended while it read what was saved of it */
	LIFE_LACKS,     /* something that it needs could not be had: a worker, a descriptor, memory */
	LIFE_HAS_ALL,   /* it can be had again */
	/* Its worker. */
	LIFE_GIVEN,      /* its worker is told of it, */
	LIFE_GIVEN_MAIN, /* which is the main one */
	LIFE_ADDED,      /* and has it */
	LIFE_LAGS,       /* and does not take it, so far is it behind */
	LIFE_REFUSED,    /* and could not take it now, for want of something that passes */
	LIFE_STALLS,
	LIFE_RESUMES,
	LIFE_LOSES, /* has ended */
	/* Its state, for the disk and for the main worker. */
	LIFE_SAVE_ASKED,
	LIFE_MOVE_ASKED,  /* for both, or the second */
	LIFE_UNANSWERED,  /* there is none, or it is not wanted any more */
	LIFE_ANSWERED,    /* it has gone to the saver */
	LIFE_PACKED,      /* ready for the main worker */
	LIFE_UNPACKED,    /* that could not be done now */
	LIFE_KEPT,        /* a snapshot of this life is on the disk */
	LIFE_SAVED,       /* the saver is through with it, well or badly */
	LIFE_OFFERED,     /* the main worker, its heir, is told of it, */
	LIFE_NOT_OFFERED, /* could not be told of it now */
	LIFE_TAKEN,       /* and has it, */
	LIFE_DEFERRED,    /* could not take it now, */
	LIFE_STAYS,       /* or can't at all: it stays where it is */
	LIFE_HEIR_LOST,   /* or has ended */
};

/* What is to be done about it. */
enum life_duty {
	LIFE_DO_FORGET = 1,    /* its worker is to forget it */
	LIFE_DO_DROP = 2,      /* what was packed, and its heir, are not needed any more */
	LIFE_DO_DROP_HEIR = 4, /* the heir, but what was packed is */
	LIFE_DO_INHERIT = 8,   /* its heir is its worker from now on; the one that it had is to forget it */
	LIFE_DO_RECOUNT = 16,  /* the next worker's versions begin above all that were seen */
	LIFE_DO_PAUSE = 32,    /* it lacks something, and is asked for again after a pause */
	LIFE_DO_EASE = 64,     /* it has all that it needed */
	LIFE_DO_REST = 128,    /* it is handed over after a pause: who reads it need not know */
};

/* `found`: it was there when everything began, so the main worker takes what has a snapshot; but one that is
 * `large` has a worker of its own. */
struct life life_begin(bool found, bool large, bool from_start);
/* The duties. What can't happen to a life as it is changes nothing. */
unsigned life_step(struct life *l, enum life_event what);

bool life_is_sound(const struct life *l);

static inline bool life_is_alone(const struct life *l)
{
	return l->home == HOME_TRIAL || l->home == HOME_ALONE || l->home == HOME_LARGE;
}

static inline bool life_has_worker(const struct life *l)
{
	return l->stage >= LIFE_COMING;
}

/* On its way from where it is to the main worker? */
static inline bool life_moves(const struct life *l)
{
	return l->move != MOVE_NOT;
}
