/* Where a view lives, and what the end of a worker means for those that lived in it. Pure: no lock, no call, tested as a table.
 *
 * Views share workers, for then an event is read and decoded once for all of them. In one process, though, a reducer in C can do harm to
 * any other: a stray write crashes whoever comes next, and the mark then names an innocent. So where there was such company, the end of a
 * worker is no proof. The view that is suspected goes into a worker of its own (a trial): if it was the one, it ends that too, and is
 * broken; else it has shown that it can come as far, and goes back. Where nobody can be suspected, or the suspect has been on trial
 * before, all that could have done it go. Who is suspected a second time stays alone, where it can harm nobody; until another one is
 * found guilty. */
#pragma once

#include <stdbool.h>

/* Whose fault the end of a worker was, as far as can be seen. */
enum worker_blame {
	BLAME_VIEW,    /* that of the view that was running */
	BLAME_PROVEN,  /* that of the view that is named, whoever else there was */
	BLAME_MEMORY,  /* the view that was running, or any other, took too much */
	BLAME_UNKNOWN, /* one of those that it has */
	BLAME_OUTSIDE, /* somebody else's */
};

enum life_stage {
	LIFE_MAIN,    /* with the others */
	LIFE_REBUILD, /* new, changed or far behind: in the rebuild worker until it has caught up */
	LIFE_SETTLED, /* it stays there: its state can't be handed over */
	LIFE_TRIAL,   /* in a worker of its own until it has caught up there */
	LIFE_ALONE,   /* in a worker of its own */
};

enum life_event {
	LIFE_FOUND,     /* it was there when everything began */
	LIFE_RENEWED,   /* new, edited, or to be rebuilt */
	LIFE_TAKEN,     /* the main worker has it */
	LIFE_LAGS,      /* the main worker does not take it, so far is it behind */
	LIFE_STAYS,     /* its state can't be handed over */
	LIFE_SUSPECTED, /* of having ended a worker that others had, too */
	LIFE_ACQUITTED, /* somebody else was found guilty */
};

struct life {
	enum life_stage stage;
	unsigned trials; /* so often it was suspected */
};

void life_step(struct life *l, enum life_event what);

static inline bool life_is_alone(const struct life *l)
{
	return l->stage == LIFE_TRIAL || l->stage == LIFE_ALONE;
}

/* The end of a worker. */
struct death {
	enum worker_blame blame;
	bool marked;        /* the mark names a view that it had, */
	bool marked_native; /* which is one that can harm others (in memory: any; else those in C), */
	unsigned trials;    /* and was suspected so often */
	unsigned natives;   /* of that kind it has ever had */
	bool alone;         /* it was the worker of one view */
	bool room;          /* for another one of that sort */
};

enum death_verdict {
	DEATH_NOTHING,
	DEATH_GUILTY,      /* the view that is marked, or that it was alone with */
	DEATH_SUSPECT,     /* the view that is marked */
	DEATH_SUSPECT_ALL, /* those that can harm others; if there are none, all */
};

enum death_verdict life_judge(const struct death *d);
