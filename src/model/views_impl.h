/* The inside of the views, shared by views.c (public calls, life), views_thread.c (the views thread), views_answer.c (requests and what the
 * worker says), views_save.c (snapshots), views_death.c and views_renew.c (the ends of workers). Which views there are, the catalog says
 * (catalog.h); where one lives, life.h.
 *
 * Locks. `lock` guards the registry: the entries, the waiting requests, the lists of what is to be done. No system call, callback or
 * message under it. */
#pragma once

#include <pthread.h>
#include <sys/stat.h>

#include "base/again.h"
#include "model/catalog.h"
#include "model/life.h"
#include "model/views.h"
#include "model/worker_handle.h"

struct waiter {
	struct waiter *next;
	enum views_what what;
	uint64_t need; /* how far the view must have read */
	const void *key;
	views_done *done;
	void *arg;
	struct views_answer answer;
};

struct entry {
	char name[LIMIT_NAME + 1];
	struct definition *def;
	uint32_t id; /* of this life of the view: another definition or a rebuild begins another one */
	bool broken;
	bool stalled; /* its worker can't read the log, and goes on trying */
	struct diag why;
	/* What it needs could not be had (descriptors, memory, a worker), and is asked for again; empty: it has all. */
	struct diag waits_for;
	struct again again;
	struct holes holes;  /* what its state lacks, */
	uint64_t holes_turn; /* as of this change of them */
	bool added;          /* somebody has to be told of it: a change */

	struct worker_handle *worker; /* that has it; NULL: none yet */
	uint32_t slot;
	uint64_t base_version; /* with which it has begun there */
	uint64_t renew_off;    /* its worker ends once a snapshot from there on is saved */
	unsigned unheard;      /* times that it was idle while somebody waited */
	struct log_pos pos;    /* as last heard of */
	uint64_t version;
	/* When the state became that of `version`, and that of the one before: ns since 1970. */
	uint64_t changed, changed_before;
	uint64_t defined; /* when the reducer became what it is: no state is older */
	/* so much of the log was there before the daemon was, in bytes, and since when */
	uint64_t old_until, old_changed;
	bool undated;           /* a snapshot may know better when its state changed */
	uint64_t told_version;  /* the last that changed() was called for */
	uint64_t folded_before; /* by earlier workers */
	uint64_t folded, rate, state_bytes;

	struct rendering *rendering;  /* the last one; NULL */
	struct log_pos rendering_pos; /* the last place where that was the state */
	struct waiter *waiters;
	bool resend; /* what the waiters want has not been sent, for lack of room */

	bool no_snapshot; /* begin at the start */
	enum { SAVE_NONE, SAVE_ASKED, SAVE_RUNS } saving;
	bool handing; /* what is being saved is for the main worker, too */
	bool save_now;
	uint64_t snapshot_off, snapshot_time;
	uint64_t snapshot_skip; /* there could be none here */

	/* Where it is folded. A view that is new, changed or far behind begins in the rebuild worker. Once it has caught up there, its
	 * state is handed to the main worker (its heir, until that has taken it over). */
	struct life life;
	unsigned solo;      /* the worker that is its own, while its life is one alone */
	uint64_t trial_off; /* it has to come as far, at least, before it is handed over from there */
	bool proven;        /* the main worker has had it */
	struct worker_handle *heir;
	uint32_t heir_slot;
	int handover_fd; /* the snapshot for the heir; -1: none */
	uint64_t handover_version;
	unsigned deaths; /* of workers that had it: what is left of an earlier one is not handed over */

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

/* The workers. From SOLO on each is for one view that was suspected (life.h). */
enum { MAIN, REBUILD, SOLO, WORKERS = SOLO + 32 };

struct save_job {
	struct save_job *next;
	char name[LIMIT_NAME + 1];
	uint32_t id;
	uint64_t identity;
	struct rendering *rendering;
	struct log_pos pos;
	uint64_t version;
	uint64_t changed;
	unsigned deaths;
	uint64_t offset, checksum;
	struct holes holes;
	bool save;     /* on the disk */
	bool handover; /* for the main worker */
};

struct views {
	struct views_options options;
	char *worker_path;
	struct eventlog *log;
	struct disk *disk;
	int data_fd, views_fd; /* the first is borrowed */
	uint64_t start_head;   /* bytes of the log that were there before */

	pthread_t thread, saver;
	int kick_fd; /* an eventfd: the thread has something to do */

	struct catalog *catalog;

	pthread_mutex_t lock;
	struct entry **entries; /* sorted by name */
	size_t n_entries, cap_entries;
	uint32_t last_id;
	/* MAIN is NULL while it is being started again, the others while they are not needed, too. */
	struct worker_handle *workers[WORKERS];
	pid_t pids[WORKERS];
	uint64_t restarts;
	struct diag waits_for;   /* why a worker could not be started, or told of the log; empty: it could */
	struct waiter *finished; /* answered, but for the call */
	struct gone *gone;
	size_t n_gone, cap_gone;
	char (*removed)[LIMIT_NAME + 1]; /* names whose going has to be told */
	size_t n_removed, cap_removed;
	bool stopping;
	bool started; /* the thread has tried to start the first worker; result and why */
	int start_result;
	struct diag start_why;
	pthread_cond_t start_cond;
	struct save_job *jobs; /* for the saver, in order */
	bool retire;           /* for the saver, too: old snapshots are to be removed */
	uint64_t retire_begin; /* those from before the active log began here */
	pthread_cond_t retired_cond;
	pthread_cond_t jobs_cond;
	bool saver_stops;

	_Atomic bool watching; /* the thread looks at the worker every so often */

	/* The thread's own; active_begin is set under the lock. */
	uint64_t deaths_ms[5];         /* when workers died by nobody's fault */
	uint64_t restart_ms[WORKERS];  /* not to be started again before; 0: as soon as it is needed */
	struct again starts[WORKERS];  /* it could not be started, */
	struct diag unstarted;         /* for this reason, which has been reported; empty: none */
	struct again publish[WORKERS]; /* it could not be told of the log */
	uint64_t watch_ms, stop_ms;    /* when the workers were looked at, when the end began */
	uint64_t empty_ms;             /* since when the rebuild worker has had nothing to do; 0: it has */
	uint64_t head;                 /* bytes, as of this turn */
	uint64_t active_begin;         /* the main worker's */
	unsigned handovers;            /* under way, as of this turn: each has a descriptor */
};

/* views.c */
void views_kick(struct views *v);
struct entry *views_find(struct views *v, const char *name);
struct entry *views_find_id(struct views *v, uint32_t id);
/* Sees to it that the worker is watched while it works. */
void views_watch(struct views *v);
void views_report(struct views *v, const char *fmt, ...) printf_like(2, 3);
/* Under the lock: a new life for the entry, perhaps with another definition (taken). */
void entry_renew(struct views *v, struct entry *e, struct definition *def, bool no_snapshot);
void entry_break(struct views *v, struct entry *e, const char *why);
/* Under the lock: what it needs could not be had, and is asked for again, after a pause that grows. When that takes long, those who want
 * it are told so instead of waiting. */
void entry_ask_again(struct views *v, struct entry *e, const char *why);
bool entry_is_without(const struct entry *e);
/* Under the lock: it has what it needed. */
void entry_has_all(struct entry *e);
/* Under the lock: takes it from its worker and from its heir, which are to forget it. */
void entry_detach(struct views *v, struct entry *e);
/* Under the lock: nothing is handed over, for now. */
void entry_keep(struct views *v, struct entry *e);
/* Under the lock: takes the reference and the descriptor. */
void views_forget(struct views *v, struct gone gone);
int must_check views_insert(struct views *v, const char *name, struct definition *def /* taken */);
void views_remove(struct views *v, const char *name);

/* views_answer.c; all but the two with "handle" and "call" under the lock */
void views_handle(struct views *v, struct worker_handle *h, struct packet *p);
/* Its state is another one, or it has broken: from now on, or from when the events came that are new to it. */
void entry_touch(struct entry *e);
/* Brings the entry up to what the worker has left in shared memory. */
void entry_sync(struct entry *e);
/* Moves the satisfied waiters to v->finished. */
void entry_answer(struct views *v, struct entry *e);
void entry_fail(struct views *v, struct entry *e, int error);
void views_call_finished(struct views *v);

/* views_save.c */
int must_check views_saver_start(struct views *v);
void views_saver_stop(struct views *v);
bool entry_save_due(const struct views *v, const struct entry *e);
bool entry_handover_due(const struct views *v, const struct entry *e);
void views_save(struct views *v, struct entry *e, const struct message *m);

/* views_thread.c */
void *views_thread(void *arg);

/* views_dispatch.c, on the views thread: tells the workers what they have to know: views to forget and to add, what is waited for, and
 * what is to be saved. Sets a worker's `full` where it must go on once there is room. */
void views_dispatch(struct views *v);
/* When what could not be had is to be asked for again; UINT64_MAX: there is none. */
uint64_t views_again_time(struct views *v);
/* views_add.c, on the views thread. True: one has been added, or handed over; there may be more. */
bool views_add_one(struct views *v, unsigned which);
bool views_hand_over_one(struct views *v);
/* Which of the workers have something to do. */
void views_needed(struct views *v, bool ret[static WORKERS]);
/* Under the lock: which worker the view belongs to. */
unsigned entry_place(const struct views *v, const struct entry *e);
/* The worker could not be started (why), or (NULL) is there: for those who need it. */
void views_tell_homeless(struct views *v, unsigned which, const char *why);
/* False where there is no room now, or nobody who reads: the worker's end is noticed elsewhere. */
bool views_send(struct worker_handle *h, const struct message *m, struct slice text, const int *fds,
		unsigned n_fds);

/* views_death.c, on the views thread: a worker has ended. Finds the culprit; the next loop starts another one. */
void views_worker_died(struct views *v, unsigned which);

/* views_renew.c, on the views thread: true where the worker is to end, and the next one to go on with what has been saved. */
bool views_renew(struct views *v, struct worker_handle *h);

/* views_rendering.c: of a MSG_RENDERED, believing nothing. -EBADMSG: it makes no sense; else it can't be taken over now. */
int must_check rendering_of_packet(struct packet *p, struct rendering **ret);
