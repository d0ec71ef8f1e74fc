/* The judge: a worker process that holds the views which the rules look at, as of the log's head, and is
 * asked about lines before they are appended.
 *
 *     judge_turn(j)                   takes note of changes: may lines be appended, and what has to be asked?
 *     judge_hear(j, items, …)         a run of lines, as it is to be appended now; *ret says what is let in
 *     … that is appended …
 *     judge_appended(j, whole)        or not: then the judge begins again from snapshots
 *
 * Threads: one calls all of that, and has started it (the committer's). judge_is_asked(), judge_status()
 * and judge_pid() are for any. */
#pragma once

#include "base/slice.h"
#include "model/event/event.h"
#include "model/judge/rules.h"
#include "model/views/views.h"

struct judge;

struct judge_options {
	struct rules *rules;
	struct views *views;
	struct eventlog *log;
	int data_fd;
	const char *worker_path;
	uint64_t memory;     /* bytes it may have; 0: no limit */
	unsigned timeout_ms; /* of the processor's time, for one event; 0: none */
	const struct zone *zone;
	bool quiet;
	void (*report)(void *arg, const char *text);
	void (*changed)(void *arg); /* what judge_status() says */
	/* Within judge_turn(): it goes by what judge_basis() says from now on; `known`: that is all that
	 * there is in DATA/rules. NULL: nobody asks. */
	void (*taken)(void *arg, bool known);
	void *arg;
};

/* All but `rules`, `views` and `log` is copied. */
int must_check judge_new(struct judge **ret, const struct judge_options *options);
/* On the thread that has called the rest. */
void judge_end(struct judge *j);
void judge_free(struct judge *j); /* NULL is fine; the end has come, or it has never begun */

/* Are there rules, or may there be? Cheap, never waits. Any thread. */
bool judge_is_asked(struct judge *j);

enum judge_stands {
	JUDGE_ABSENT, /* there are no rules */
	JUDGE_SITS,   /* it can be asked */
	JUDGE_WAITS,  /* not yet: call again in JUDGE_TICK_MS */
	JUDGE_BROKEN, /* everything is refused: judge_why() */
};
#define JUDGE_TICK_MS 10
enum judge_stands judge_turn(struct judge *j);
/* Why everything is refused, beginning with a rule's name; until the next turn. */
const char *judge_why(const struct judge *j);

/* The i-th rule that it goes by, by their names, and the view that it looks at (NULL: none). They last until
 * the next turn. False: there are no more. */
struct judge_basis {
	const struct definition *rule, *view;
};
bool judge_basis(const struct judge *j, size_t i, struct judge_basis *ret);

struct judged_unit {
	size_t end;   /* in the item's lines */
	size_t lines; /* how many it is */
};
/* What one writer brings, in units. */
struct judged {
	struct slice lines;
	const struct event_layout *layouts; /* of each line; NULL: not known */
	const struct judged_unit *units;
	size_t n;
	/* It goes on from what was asked about before, by the same writer: nothing of it is let in unless all
	 * of that was. */
	bool more;
	/* So many of the units are let in. Fewer than all: this is the error that the next is refused with
	 * (0: it has not been judged yet), and why, beginning with the rule's name; free() it. NULL: no
	 * memory for it. */
	size_t let_in;
	int error;
	char *why;
};
/* How it stood then: where not JUDGE_SITS, nothing was judged. *ret_n: so many of the items were, at least
 * one.
 */
enum judge_stands judge_hear(struct judge *j, struct judged *items, size_t n, size_t *ret_n);
/* The same in two steps, so that a writer's pieces are asked about, each as it comes, while those before it
 * are judged. Where that is not JUDGE_SITS, nothing that was asked about is judged, and the rest is not told.
 */
enum judge_stands judge_ask(struct judge *j, struct judged *items, size_t n);
/* In the order in which it was asked; `wait`: until that is known. True: *ret is how it stands, and the
 * items' outcome as of judge_hear(). */
bool must_check judge_told(struct judge *j, struct judged *items, size_t n, bool wait, size_t *ret_n,
			   enum judge_stands *ret);
/* What it still has to tell is of no interest. */
void judge_drop(struct judge *j);
/* What it has let in since the last time is in the log now; or (`whole` is false) is not, or not all. */
void judge_appended(struct judge *j, bool whole);

enum rule_state { RULE_READY, RULE_FOLDS, RULE_BROKEN };
struct rule_status {
	char name[LIMIT_NAME + 1];
	char file[LIMIT_NAME + 8];
	enum rule_state state;
	bool view;          /* it looks at the state of one */
	struct log_pos pos; /* how far that is, while it folds */
	struct diag why;    /* it is broken; or what it waits for */
};
/* As of a moment ago, sorted by name; *ret is the caller's to free(). Any thread. */
int must_check judge_status(struct judge *j, struct rule_status **ret, size_t *ret_n);
/* Its process; 0: there is none. Any thread. */
pid_t judge_pid(struct judge *j);
