/* Whose fault the end of a worker was. Pure: what is known of it goes in, a verdict comes out; tested as a
 * table. */
#pragma once

#include <stdbool.h>

#include "model/link/blame.h"

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

enum death_verdict death_judge(const struct death *d);
