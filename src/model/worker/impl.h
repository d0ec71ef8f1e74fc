/* The worker's inside, shared by loop.c (the turn, messages), add.c (a view is added; late.c: or later),
 * fold.c (passes over the log; pace.h: whose), view.c (one view), render.c (states as text, answers),
 * judge.c (events that are to be appended) and memory.c (what it has grown to). */
#pragma once

#include <errno.h>

#include "model/link/proto.h"
#include "model/worker/pace.h"
#include "model/worker/sandbox.h"
#include "store/cursor.h"

#define WORKER_JOBS 8 /* children at the same time */

/* What the daemon waits for. */
struct want {
	uint64_t off;     /* how far the view must have read */
	uint64_t version; /* of the rendering that the daemon has */
	uint32_t flags;   /* MSG_STATE, MSG_SNAPSHOT */
};

/* A rendering that a forked child writes while the worker folds on. */
struct render_job {
	pid_t pid;                /* 0: none */
	int pidfd, memfd;         /* the first -1 where there was no room for it */
	struct worker_view *view; /* NULL: nobody wants it any more */
	struct message answer;    /* as of the fork; of a peek, as of where it goes */
	bool peeks;               /* it folds on first: what goes wrong there is no matter of the view's */
};

struct worker_view {
	struct worker_view *next;
	struct view view;
	bool broken; /* and the daemon knows; or it is to be removed */
	struct holes holes;
	uint64_t holes_turn,
	    holes_told;    /* changes of them, and how many of these the daemon has been told of */
	unsigned failures; /* to read the log, in a row; */
	uint64_t retry_ns; /* then it is not tried again before this time */
	uint32_t slot;
	struct pacer pacer;
	uint64_t version_base; /* the first version of this worker: versions grow over the death of workers */
	struct log_pos begin;  /* where it has begun to fold */

	uint64_t step;                   /* the head that it folds up to next, or stands at, where groups are
					    (worker_view_is_whole) */
	uint64_t told_version, told_off; /* what the daemon has been told of */
	unsigned eager;                  /* it is read often: its next so many renderings are sent unasked */
	size_t size;                     /* of the last rendering */

	uint64_t lag_time, lag_seq,
	    rate; /* since when it folds a long stretch (ns; 0: it does not), and how fast */

	struct want *wants;
	size_t n_wants, cap_wants;
	struct render_job *job; /* NULL: none */
};

struct late_addition;
struct worker_rule;

struct worker {
	int socket;
	bool stop;
	struct sandbox sandbox;
	int confined; /* an error: it could not give up its rights, and runs no reducer; why: */
	struct diag unconfined;
	struct worker_shared *shared;
	const struct worker_orders *orders;
	uint64_t memory, memory_ns; /* bytes it may have (0: no limit), and when it looked last */
	int statm;
	bool exhausted; /* somebody did not get the memory that he wanted */
	bool asked;     /* for a sign of life, */
	uint64_t ping;  /* of this number */
	unsigned timeout_ms;
	uint64_t generation;
	uint64_t active_begin; /* bytes */
	struct reader *reader; /* NULL until the log's files have come */
	struct fold fold;
	struct cursor near, far; /* of the views that go first, and of those that lag or are slow */
	struct worker_view *views;
	size_t n_views;
	struct late_addition *late; /* views that are to be added, in the order of their coming; */
	uint64_t late_ns;           /* since when the first of them is the next */
	struct render_job jobs[WORKER_JOBS];
	struct view **pass; /* room for all views; the first n_pass are being folded */
	size_t n_pass;
	struct pacer **pacers;     /* room for all views */
	struct worker_rule *rules; /* in the order in which they are asked */
	const void *docket;        /* NULL: none has come */
	size_t docket_size;
	/* All of the lines judged last were let in: more of the same writer may come behind them. */
	bool goes_on;
	struct log_pos heard; /* behind those */
	uint64_t heard_begin; /* clock_coarse_ns() when the first of them were looked at */
	uint64_t damage_off;  /* damage before this has been reported */
	unsigned damage_count;
	uint64_t far_wait_ns; /* for so long the others go first */
	uint64_t told_time;
	struct buf in, out;
	uint64_t now; /* CLOCK_MONOTONIC, ns, as of this turn */
};

/* Both wait for room; where the daemon is gone, the worker stops. */
void worker_send(struct worker *w, const struct message *m, struct slice text, const int *fds,
		 unsigned n_fds);
/* MSG_AGAIN, or MSG_LOST where the error says so. */
void worker_ask_again(struct worker *w, uint32_t view, uint32_t flags, int error, const char *why);
/* Why descriptors that came with a message did not fit. */
int worker_lost_fds(struct worker *w);
void worker_report(struct worker *w, const char *fmt, ...) printf_like(2, 3);
/* One of the reducers has done harm to the worker itself: it ends. It shows in this view (0: in none), which
 * need not be the one. */
void worker_lost(struct worker *w, uint32_t view, const char *why);
/* Does the error say so? */
static inline bool worker_is_lost(int error)
{
	return error == -EBADF || error == -EMFILE;
}

/* memory.c */
void worker_memory_init(struct worker *w, uint64_t most);
/* Ends the worker where it has too much, and tells the daemon whose it was. */
void worker_memory_turn(struct worker *w);
/* Would a failed allocation be a matter of all views, not of this one's alone? */
bool worker_is_short(const struct worker *w);

/* fold.c: folds for a bounded time. True: there is more to do. */
bool worker_fold_turn(struct worker *w, uint64_t head);
/* When the log is to be tried again for a view for which it could not be read: CLOCK_FOREVER: for none. */
uint64_t worker_retry_time(const struct worker *w);
/* In a child: the view goes on to this place, by itself. False: something is in the way. */
bool worker_fold_ahead(struct worker *w, struct worker_view *v, const struct log_pos *to,
		       struct fold_mark *mark);
void worker_damaged(void *arg, const struct log_pos *before, struct slice line,
		    const struct json_error *error);

/* add.c */
/* Says, for who finds the worker dead, what it is about to do with which view. */
void worker_mark(struct worker *w, enum fold_phase phase, uint32_t view);
/* The same of what is no view's: it reads from the disk, or does so no more. */
void worker_mark_disk(struct worker *w, bool reads);
void worker_add(struct worker *w, struct packet *p);

/* late.c */
/* Puts off what would take long (the packet's descriptors are taken); false: it is to be added at once. */
bool worker_defer(struct worker *w, struct packet *p);
/* Adds the next one, if there is nothing else to do (`idle`) or it has waited for long. False: not now. */
bool worker_add_late(struct worker *w, bool idle);
/* Somebody waits for that view: now it has to be there. */
void worker_hurry(struct worker *w, uint32_t view);
/* It is not wanted any more. False: it is not among those to be added. */
bool worker_drop_late(struct worker *w, uint32_t view);
void worker_late_free(struct worker *w);

/* judge.c */
void worker_rule(struct worker *w, struct packet *p);
/* An error: what it was told can't be. */
int must_check worker_judge(struct worker *w, struct packet *p);
void worker_rules_free(struct worker *w);

/* view.c */
void worker_remove(struct worker *w, uint32_t id);
struct worker_view *worker_find(struct worker *w, uint32_t id);
void worker_view_free(struct worker_view *v);
/* Breaks it and tells the daemon why. */
void worker_break(struct worker *w, struct worker_view *v, uint64_t seq, uint64_t off, const char *why);
/* Has it all of each group that it has begun? Only then its state is anybody's business. A head is a place
 * between two groups, so while there are some, a view goes from one head to another. */
bool worker_view_is_whole(const struct worker *w, const struct worker_view *v);
/* Tells the slot how it stands, if it is whole; and before, the daemon what it lacks. */
void worker_view_publish(struct worker *w, struct worker_view *v);
uint64_t worker_view_version(const struct worker_view *v);
struct message worker_view_message(const struct worker_view *v, enum message_type type);
/* Its holes, as the text of a message. */
struct slice worker_view_holes(const struct worker_view *v);

/* render.c */
void worker_want(struct worker *w, struct worker_view *v, const struct message *m);
/* How it would be at this place: a child finds out. */
void worker_peek(struct worker *w, struct worker_view *v, const struct log_pos *to);
/* Answers what can be answered now. */
void worker_answer(struct worker *w, struct worker_view *v);
/* Sends what the daemon would ask for next, and that something has changed. */
void worker_tell(struct worker *w, bool idle);
/* Of the children that have ended: sends their renderings. */
void worker_jobs_done(struct worker *w);
void worker_job_cancel(struct worker_view *v);
