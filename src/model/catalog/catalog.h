/* What lies in DATA/reducers, or in DATA/rules: names and their definitions, kept as they are now.
 *
 * A user can lead those names anywhere (reach.h), so whoever looks at them may be stuck. The looks are made
 * by a thread of the catalog's own, as far as nothing can hang, and beyond that by a process of its own, the
 * looker, which is left behind where it does not come back. Those who have to see a change wait for the
 * catalog, and never for longer than it takes to give up on each such name: a definition that does not come
 * in time is a broken one, and is asked for again, with growing pauses, until it comes. Until then nobody
 * waits for it any more.
 *
 * Threads: any may call. The lock guards the table and those who wait; no system call or callback under it.
 */
#pragma once

#include "model/catalog/definition.h"

struct catalog;

struct catalog_options {
	enum definition_sort sort;
	const char *worker_path; /* the program that is run as `WORKER_PATH looker` with a socket as
				    descriptor 3; borrowed */
	bool quiet;              /* its standard output and error are nobody's */
	const struct zone *zone; /* of the reducers; NULL: UTC */
	/* A definition is new or another one, or (NULL) is there no more. The catalog keeps its reference. On
	 * the catalog's thread. An error: it could not be taken now, and is told again. */
	int (*changed)(void *arg, const char *name, struct definition *def);
	/* All that there is has been told of; or (false) it is not known any more whether it has, since the
	 * directory can't be read. Not known at first. On the catalog's thread; NULL: nobody asks. */
	void (*listed)(void *arg, bool listed);
	void (*report)(void *arg, const char *text);
	void *arg;
};

/* Who waits; its own until it is done. `name`: the view whose definition it is about; empty: only which there
 * are. */
struct catalog_wait {
	struct catalog_wait *next;
	uint64_t after; /* private */
	char name[LIMIT_NAME + 1];
	void (*done)(struct catalog_wait *w); /* on the catalog's thread; last, for it may free the wait */
};

/* Returns when everything in the directory is known, or has been given up for now. */
int must_check catalog_start(struct catalog **ret, int data_dirfd, const struct catalog_options *options,
			     struct diag *diag);
/* All who wait are done. */
void catalog_stop(struct catalog *c); /* NULL is fine */

/* Is the definition of the view (NULL: just the list of names) what it is now? True also where that can't be
 * told soon: nobody waits for what has been given up. Cheap, and never waits: a few system calls on what the
 * kernel has at hand. `asker`: the thread id that wants to know; the looker's own looks must not wait for
 * itself. */
bool catalog_is_current(struct catalog *c, const char *name, pid_t asker);
/* Takes note of every change that happened before the call, then calls `done`. */
void catalog_wait(struct catalog *c, struct catalog_wait *w);
/* The same for a thread that can wait. */
void catalog_settle(struct catalog *c, const char *name /* NULL: just the list */);
/* False: it is done already, or about to be. */
bool catalog_cancel(struct catalog *c, struct catalog_wait *w);

/* Files that would define something by another name: as of the last look, and no more than some. */
#define MISNAMED_MOST 8
#define MISNAMED_LEN 255 /* longest name of a file */
struct misnamed {
	size_t n;
	char file[MISNAMED_MOST][MISNAMED_LEN + 1];
};
void catalog_misnamed(struct catalog *c, struct misnamed *ret);
