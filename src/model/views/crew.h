/* The workers: which there are, started, told of the log, watched, ended. Who has which view, and what an end
 * means, its owner knows.
 *
 * Threads. The owner's is the one that the workers end with; crew_head_moved(), crew_watch() and
 * crew_status() are any thread's. `lock` guards who is there, for those; no system call under it. */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "base/again.h"
#include "model/link/handle.h"

/* Places. From SOLO on each worker is for one view that was suspected (life.h). MAIN is always there, the
 * others come and go with what there is to do. */
enum { MAIN, REBUILD, SOLO, WORKERS = SOLO + 32 };

#define CREW_TRIES                                                                                           \
	7 /* so often in a row, some seconds, before those who wait for something are told that it can't be  \
	     had */

struct crew_options {
	struct worker_limits limits;
	struct eventlog *log;
	/* The owner's, on its thread, in crew_wait(). */
	void (*said)(void *arg, struct worker_handle *h, struct packet *p);
	void (*ended)(void *arg, unsigned which); /* to be reaped with crew_reap() */
	void (*wake)(void *arg);                  /* any thread */
	void *arg;
};

struct crew {
	struct crew_options options;

	pthread_mutex_t lock;
	struct worker_handle *workers[WORKERS]; /* NULL: not there; written by the owner only */
	pid_t pids[WORKERS];
	uint64_t restarts;
	struct diag waits_for; /* why one could not be started, or told of the log; empty: it could */

	_Atomic bool watching; /* somebody looks at the workers every so often */
	int alarm_fd;          /* a timer: those who sleep on behind the head are woken by then */
	_Atomic bool alarmed;  /* it is set */

	/* The owner's. */
	uint64_t deaths_ms[5];         /* when workers died by nobody's fault */
	uint64_t restart_ms[WORKERS];  /* not to be started again before; 0: as soon as it is needed */
	struct again starts[WORKERS];  /* it could not be started, */
	struct diag unstarted;         /* for this reason, which has been reported; empty: none */
	struct again publish[WORKERS]; /* it could not be told of the log */
	uint64_t watch_ms;             /* when they were looked at */
	uint64_t empty_ms;             /* since when the rebuild worker has had nothing to do; 0: it has */
};

int must_check crew_init(struct crew *c, const struct crew_options *options);
void crew_deinit(struct crew *c); /* all have been stopped */

/* Any thread. */

/* See views_head_moved(). */
void crew_head_moved(struct crew *c, bool at_once);
/* Sees to it that the workers are watched while they work. */
void crew_watch(struct crew *c);
struct crew_status {
	pid_t main, rebuild;
	uint64_t restarts;
	struct diag waits_for;
};
void crew_status(struct crew *c, struct crew_status *ret);

/* The owner. */

int must_check crew_start(struct crew *c, unsigned which, struct diag *why);
/* Is it time to start that one again? Then it is tried: 0, an error with the reason, or 1: not now.
 * `ret_new`: that reason is another one than the last. */
int must_check crew_restart(struct crew *c, unsigned which, struct diag *why, bool *ret_new);
/* Tells it to leave. */
void crew_end(struct worker_handle *h);
/* The rebuild worker leaves when it has not been needed for a while, the others at once. */
void crew_dismiss(struct crew *c, const bool needed[static WORKERS]);
/* Sends; false where there is no room now (`full` is set), or nobody who reads: the worker's end is noticed
 * elsewhere. */
bool crew_send(struct worker_handle *h, const struct message *m, struct slice text, const int *fds,
	       unsigned n_fds);
/* Tells all of the log. True: what is said by crew_lacks_log() has changed. */
bool crew_publish(struct crew *c);
/* The layout is to be sent again, after a pause: it did not come through. */
void crew_publish_again(struct crew *c, struct worker_handle *h);
/* Why the worker has not been told of the log for a long time; NULL: it has. */
const char *crew_lacks_log(const struct crew *c, const struct worker_handle *h);
bool crew_is_alive(const struct crew *c, const struct worker_handle *h);
bool crew_is_idle(const struct crew *c);
/* Looks at all that are at work, when it is time; for each calls `look`. */
void crew_look(struct crew *c, void look(void *arg, struct worker_handle *h), void *arg);
/* Waits until something has happened, to `fd` (an eventfd, which it empties) or a worker, or until `wake_ms`.
 */
void crew_wait(struct crew *c, int fd, uint64_t wake_ms);
/* When to go on although nothing happens. `ends`: none is started any more. */
uint64_t crew_wake_time(const struct crew *c, bool ends);
/* It is there no more. True: that was expected. The handle is the caller's to unref. */
struct worker_handle *crew_reap(struct crew *c, unsigned which, struct worker_end *ret);
/* By nobody's fault: many such ends in a short time make the next start wait. */
void crew_note_death(struct crew *c, unsigned which);
void crew_stop(struct crew *c);

/* Between crew.c and crew_log.c. The alarm has gone off. */
void crew_take_alarm(struct crew *c);
/* Why one could not be started, or told of the log; "": it could. */
void crew_waits_for(struct crew *c, const char *why);
