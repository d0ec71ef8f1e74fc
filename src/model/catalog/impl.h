/* The inside of the catalog, shared by catalog.c (the thread), known.c (the table), waits.c (those who wait),
 * dir.c (what nothing can hang on: the watch, the directory and its files), misnamed.c and far.c (what is
 * left to the looker). */
#pragma once

#include <pthread.h>

#include "base/again.h"
#include "model/catalog/catalog.h"
#include "model/catalog/looker.h"

/* The directory, where nothing can hang on it. */
struct reducers_dir {
	_Atomic unsigned refs;
	int fd;
	dev_t dev;
	ino_t ino;
};

struct known {
	char name[LIMIT_NAME + 1];
	struct definition *def;
	bool doubted; /* it was late: nobody waits for it */
	struct again
	    again; /* when what has not come, or could not be read, is asked for again; the thread's */
};

struct far_job {
	struct far_job *next;
	uint64_t id;
	enum look_what what;
	bool anew;  /* whatever is known */
	bool tried; /* a looker has ended over it */
	char name[LIMIT_NAME + 1], file[LIMIT_NAME + 8];
};

/* A looker and what it is at. */
struct desk {
	struct looker looker;
	struct far_job *job; /* NULL: none */
	uint64_t until_ms;
};

enum { DESK_FRONT, DESK_BACK, DESKS }; /* for those who wait; for what has been given up */
#define STUCK_MAX 8

struct catalog {
	struct catalog_options options;
	int data_fd; /* borrowed */
	struct reach reach;
	pthread_t thread;
	int kick_fd, inotify;
	int data_watch;

	/* Under the lock. */
	pthread_mutex_t lock;
	struct known **known; /* sorted by name */
	size_t n_known, cap_known;
	struct misnamed misnamed;
	struct reducers_dir *dir; /* NULL: there is none, or it is far */
	bool dir_link;            /* it may be led elsewhere, of which the watch says nothing */
	bool dir_doubted;         /* nobody waits for it */
	bool watched;
	struct catalog_wait *incoming, *waits;
	bool stop, ready;
	pthread_cond_t ready_cond;

	_Atomic bool stirred; /* what the watch has told of is not in the table yet */
	_Atomic pid_t lookers[DESKS];

	/* The thread's own. */
	int dir_watch;
	bool far;         /* the directory is */
	bool listed;      /* all names in it are known; as it has been told */
	bool missed;      /* one may not be, since the last look at all of them began */
	uint64_t look_ms; /* when a change that nobody has asked for is looked at; 0: there is none */
	struct again dir_again;
	struct far_job *jobs, **last_job; /* for the front desk, in order */
	uint64_t last_id, done_id;
	uint64_t last_list_id; /* of the last that tells which names there are */
	bool hurried;          /* one has been late, and others wait behind it */
	struct desk desks[DESKS];
	struct {
		pid_t pid;
		int pidfd;
	} stuck[STUCK_MAX];
	unsigned n_stuck;
};

/* catalog.c: the thread has something to do. */
void catalog_kick(struct catalog *c);

/* known.c. The thread only, but for the first, which is for all under the lock. */
struct known *catalog_find(struct catalog *c, const char *name);
/* What is known from now on (taken); NULL: there is none. */
void catalog_put(struct catalog *c, const char *name, struct definition *def);
/* Could the file not be read for want of something here? Then what is known of it stays, if that can be used:
 * it is to be looked at again. */
bool catalog_keeps(const struct known *k, const struct definition *def);
/* Whether those who need it wait for it. */
void catalog_doubt(struct catalog *c, struct known *k, bool doubted);
/* Copies of all names: *ret is the caller's to free. */
size_t catalog_names(struct catalog *c, char (**ret)[LIMIT_NAME + 1]);

/* waits.c, on the thread. Those who wait now wait for what has been added since, too: all, or only those who
 * wait for a definition. */
void catalog_wait_longer(struct catalog *c, bool all);
/* Takes those who have come, once what they wait for has been looked at or is under way. */
void catalog_take_waits(struct catalog *c);
/* Calls those whose looks are over; all of them at the end. */
void catalog_finish_waits(struct catalog *c, bool all);

/* dir.c, on the thread */
int must_check catalog_dir_open(struct catalog *c, struct diag *diag);
void catalog_dir_close(struct catalog *c);
struct reducers_dir *reducers_dir_ref(struct reducers_dir *d); /* NULL is fine */
void reducers_dir_unref(struct reducers_dir *d);
/* Nothing can be read from the watch. Any thread. */
bool catalog_is_quiet(struct catalog *c);
/* Is it still where the name leads? Any thread; never waits. */
bool reducers_dir_is_same(struct catalog *c, const struct reducers_dir *d);
/* Looks at all that the watch tells of. `somebody`: for somebody who waits, so links are looked at. */
void catalog_look_around(struct catalog *c, bool somebody);
/* `anew`: the file may have changed though it seems the same. */
void catalog_look(struct catalog *c, const char *name, bool anew);
/* Of a listing: "NAME.jq" is NAME; false: it is none of ours. */
bool catalog_name_of(const struct catalog *c, const char *file, char *ret_name);
/* There may be a name that is not known, until all of them are looked at again: the caller sees to that. */
void catalog_missed(struct catalog *c);
/* All that there are have been looked at. */
void catalog_listed(struct catalog *c);
/* The looker has found it (taken where nothing can hang). */
void catalog_dir_found(struct catalog *c, const struct look_answer *a, int fd);
void catalog_dir_lost(struct catalog *c, int error);
/* All that it leads to has been asked after: if nothing was wanting, the next want begins with a short pause.
 */
void catalog_dir_done(struct catalog *c);

/* misnamed.c, on the thread. Of a listing: is it one, and one more of them; and all that there are. */
bool catalog_is_misnamed(const struct catalog *c, const char *file);
void misnamed_add(const struct catalog *c, struct misnamed *m, const char *file);
void catalog_set_misnamed(struct catalog *c, const struct misnamed *m);

/* far.c, on the thread */
void far_add_list(struct catalog *c, enum look_what what);
/* A name that is new is there from now on, broken until more is known. */
void far_add_file(struct catalog *c, const char *name, const char *file, bool anew);
/* Takes what has come, gives up what has not, asks for more. */
void far_turn(struct catalog *c);
uint64_t far_wake_time(const struct catalog *c);
void far_stop(struct catalog *c);
/* Drops what is queued: there is no use in it. */
void far_drop_jobs(struct catalog *c);

#define FAR_PAUSE_MS 1000 /* before what was given up is tried again */

/* far_found.c, on the thread: what a look has brought. */
void far_found_names(struct catalog *c, int fd);
void far_found_file(struct catalog *c, const struct far_job *job, const struct look_answer *a, int fd);
/* It did not come, or could not be read: nobody waits for it any more. */
void far_give_up(struct catalog *c, const struct far_job *job, int error);
