/* The fold engine: lines in, states forward. Plain code in one process and one thread; the worker, `eventfold
 * fold` and the tests all use this one. */
#pragma once

#include <stdatomic.h>

#include "base/limits.h"
#include "model/host/reducer.h"
#include "store/log.h"

/* What is being run right now, in shared memory where a worker does it, so that whoever finds the process
 * dead or stuck knows which view and which event it was. Plain relaxed stores: two or three a call into a
 * reducer. */
enum fold_phase {
	FOLD_IDLE,
	FOLD_LOADING,
	FOLD_FOLDING,
	FOLD_WRITING,
	FOLD_READING,
	FOLD_FREEING,
	FOLD_DISK, /* no reducer is: the log or a snapshot is read, as slowly as it may come */
};
struct fold_mark {
	_Atomic uint32_t view; /* its id; meaningless while idle */
	_Atomic uint32_t phase;
	_Atomic uint64_t seq; /* the event's number, while folding */
	_Atomic uint64_t off; /* where its line begins */
};

/* One view being folded. Fields may be read by the owner; only the functions below write them. */
struct view {
	uint32_t id;
	struct reducer *reducer; /* owned */
	struct log_pos pos;      /* behind the last line it has seen */
	uint64_t version;        /* grows whenever the state changes */
	/* Broken: no further event reaches it. */
	int error; /* 0 or a negative errno */
	struct diag why;
	uint64_t error_seq, error_off; /* the event it broke on; 0 where it broke otherwise (at loading) */
};

void view_init(struct view *v, uint32_t id, struct reducer *reducer /* taken */, const struct log_pos *pos);
void view_deinit(struct view *v);

/* The state as one compact JSON value; marks the view as broken on failure. */
int must_check view_write(struct view *v, struct fold_mark *mark, struct buf *out);

/* The state as it is now is kept, in place of what was kept before; and taken back, with the view's place,
 * whatever has become of it since, a break included. An error is in the diag. */
int must_check view_save(struct view *v, struct fold_mark *mark, struct diag *diag);
int must_check view_restore(struct view *v, struct fold_mark *mark, const struct log_pos *pos,
			    struct diag *diag);
void view_forget(struct view *v);

struct fold {
	struct event event;
	uint64_t events;        /* so many it has fed: lines that were neither blank nor damaged */
	struct fold_mark *mark; /* borrowed, never NULL */
	/* A line that is no event: skipped by all views. May be NULL. */
	void (*damaged)(void *arg, const struct log_pos *before, struct slice line,
			const struct json_error *error);
	void *arg;
};

void fold_init(struct fold *f, struct fold_mark *mark);
void fold_deinit(struct fold *f);

/* Feeds a block of whole lines to all n views, which stand at *pos: one pass, each line is decoded once, only
 * as far as a reducer asks. Moves *pos and the views' places to the block's end, hash included. Views that
 * break stay behind at the event before, with `error` set; the others go on. Blank lines count as lines and
 * are skipped. */
void fold_block(struct fold *f, struct view **views, size_t n, struct log_pos *pos, struct slice block);
/* The same of one line (without its newline) in two steps, for who looks at the event in between: it is in
 * f->event then. False: it is no event, or nobody knows for want of memory. `layout`: of a line that was
 * checked; NULL: it was not. */
bool must_check fold_scan(struct fold *f, const struct log_pos *pos, struct slice line,
			  const struct event_layout *layout, struct json_error *ret_error);
/* `last`: the line before, whose hash the places lack; none: they do not. They lack that of `line` then. */
void fold_scanned(struct fold *f, struct view **views, size_t n, struct log_pos *pos, struct slice last,
		  struct slice line);
/* It is found out: of `last`, the line before. */
void fold_settle(struct view **views, size_t n, struct log_pos *pos, struct slice last);
