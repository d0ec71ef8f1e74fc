/* The inside of the judge, shared by judge.c (what there is, and when it can be asked), judge_worker.c (its
 * process) and hearing.c (a run of lines). */
#pragma once

#include <pthread.h>

#include "base/again.h"
#include "model/judge/judge.h"
#include "model/link/handle.h"

/* A rule, and the view that it looks at. */
struct seat {
	char name[LIMIT_NAME + 1];
	struct definition *rule;
	struct definition *view; /* NULL: there is none of its name */
	uint32_t rule_id, view_id;
	int slot; /* of the view */
	bool rule_added, view_added;
	struct log_pos pos; /* how far the view is */
	struct diag why;    /* it is broken: without its name */
};

struct judge {
	struct judge_options options;
	char *worker_path;
	int views_fd;

	/* The rules as they were taken, with what they look at; `broken`: one of them is. */
	struct seat *seats;
	size_t n_seats;
	uint64_t generation;
	bool taken, broken;
	struct diag why;    /* with the name */
	struct again heals; /* when all is begun anew, where what has broken it may pass */

	struct worker_handle *worker; /* NULL: there is none */
	bool behind;                  /* its views are not known to be at the head */
	struct again again;           /* when it is started again, where that has failed */
	struct diag waits;            /* and why it has */
	unsigned ends;                /* of workers that somebody else has ended, in a row */
	size_t added;                 /* so many of the seats' views and rules it has been sent */

	/* See docket.h. */
	int docket_fd; /* -1: there is none */
	char *docket;
	size_t docket_size;
	size_t docket_end; /* behind what was put into it last */
	bool docket_sent;
	unsigned asked; /* so many times, by judge_ask(), it has not answered yet */

	/* What others see; under the lock. */
	pthread_mutex_t lock;
	struct rule_status *status;
	size_t n_status;
	pid_t pid;
};

/* judge.c */
/* That seat (NULL: none in particular) is broken, and so everything is refused. */
void judge_break(struct judge *j, struct seat *seat, const char *why);
/* The same, but that may pass without an edit: it is tried again. */
void judge_break_for_now(struct judge *j, struct seat *seat, const char *why);
struct seat *judge_seat_of(struct judge *j, uint32_t id);
void judge_publish(struct judge *j);

/* judge_worker.c */
/* Starts it where that is due. */
void judge_start_worker(struct judge *j);
void judge_stop_worker(struct judge *j);
/* Sends it what of the seats there was no room for before. */
void judge_add_rest(struct judge *j);
/* Takes what it has said. `take` gets each message of a hearing; true: that was the last. 1: that has come;
 * 0: not yet; -EPIPE: it has ended, and why is known. */
int must_check judge_receive(struct judge *j, bool (*take)(void *arg, struct packet *p), void *arg);
/* It has ended, or is to: takes note of why. */
void judge_worker_died(struct judge *j);
/* Are all views at the head, as far as the shared memory tells? */
bool judge_is_at_head(struct judge *j);
