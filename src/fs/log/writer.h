/* What an open handle of events/app does with the bytes that it is given: splits them into lines, checks
 * each, makes the stored lines out of them (of a group several, one unit), and remembers what it owes its
 * program. Pure: no file, no
 * lock, no FUSE.
 *
 *     writer_resume(w, data, …)         is this what was refused, come again?
 *     writer_feed(w, data, …, &batch)   looks at data, changes nothing but the batch
 *     … the batch's lines are appended …
 *     writer_written(w, &batch, n)       n bytes of data count as written: keeps what is left over
 *
 * A write is taken as far as its first bad line. write(2) then returns a short count, and its program
 * comes back with the rest, which begins with the bad line, and is told its error. Most do. What one that
 * goes on with something else has left behind is handed out by writer_resume() or writer_end(), so that it
 * is not lost without a word.
 *
 * A writer is used by one thread at a time. */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "fs/log/guard.h"
#include "fs/log/unit.h"
#include "model/event/event_group.h"

/* A line, or what stood behind it, that is not appended. */
struct refusal {
	int error; /* negative errno; 0: there is none */
	struct json_error why;
	size_t bytes;    /* its length, as far as it is known */
	struct buf head; /* the first LIMIT_REJECTED_LINE of them */
};
void refusal_deinit(struct refusal *r);

enum declined_stage {
	DECLINED_NOTHING,
	DECLINED_UNTOLD, /* the next write is told, if it brings the line again; or a close is */
	DECLINED_TOLD,   /* by a close; the write even so */
};

struct writer {
	struct buf partial; /* a line's bytes that are waiting for their newline */
	struct guard guard;
	size_t last, before; /* bytes of the last write, and of that before */

	/* The bad line that ended the write before, if its program can't have been told its error by that. */
	struct {
		enum declined_stage stage;
		int error;  /* if there is one */
		size_t len; /* what the write begins with that brings it again */
		uint64_t hash;
		struct refusal behind; /* what came behind it in that write */
	} declined;
};

struct writer_rules {
	size_t max_line;
	const struct guard_log *log; /* the lines that a guarded writer compares with */
	uint64_t now;                /* seconds since 1970, for events without ts */
	bool need_id;                /* an event without id is refused */
	bool strict_ts;              /* a ts beyond LIMIT_TS is refused, not counted */
	bool lay_out;                /* the batch says where the events' members are */
};

/* The outcome of one write. */
struct batch {
	struct buf lines;   /* the good lines before the first bad one, as they will be stored */
	struct unit *units; /* what they are */
	size_t n, cap;
	struct event_layout *layouts; /* of each line; NULL: not known */
	size_t n_layouts, cap_layouts;
	size_t groups;     /* how many of these are groups */
	size_t odd_ts;     /* how many lines have such a time */
	struct slice rest; /* what is left behind the last newline; points into the data */
	size_t given;      /* bytes of the data before the first bad line: all of it if there is none */
	struct guard guard;
	/* The first bad line, and what stands behind it in the data. */
	struct refusal bad, behind;
	size_t again_len; /* of the data from `given` on: the bad line's part with its newline */
	uint64_t again_hash;
};

void batch_deinit(struct batch *b);
/* Nothing is in it any more, and nothing refused. What it points to stays. */
void batch_clear(struct batch *b);

void writer_deinit(struct writer *w);

/* To be asked at the beginning of a write. 0: it is to be fed; else the error that it gets: it brings
 * again what was refused, or the writer may not write. What the program has left behind instead is in
 * *ret_left, the caller's to deinit. */
int must_check writer_resume(struct writer *w, struct slice data, struct refusal *ret_left);
/* The same, of a writer that will write no more. */
void writer_end(struct writer *w, struct refusal *ret_left);
/* The error that a close has to tell because no write has; once. */
int must_check writer_owes(struct writer *w);
static inline bool writer_is_owing(const struct writer *w)
{
	return w->declined.stage == DECLINED_UNTOLD;
}

/* Looks at `data`: 0, or -ENOMEM. The scanner `ev` is scratch. */
int must_check writer_feed(const struct writer *w, struct slice data, const struct writer_rules *rules,
			   struct event *ev, struct batch *ret);
/* The same in two parts, side by side on two threads, and what they come to in all. The second begins with a
 * line: writer_cut(). */
int must_check writer_feed_first(const struct writer *w, struct slice data, size_t half,
				 const struct writer_rules *rules, struct event *ev, struct batch *ret);
int must_check writer_feed_second(struct slice data, size_t half, const struct writer_rules *rules,
				  struct event *ev, struct batch *ret);
/* The same in parts, one after the other, into a batch of {.guard = w->guard}: it ends behind those that were
 * looked at. Takes no more room than it has, while it has enough. */
int must_check writer_feed_on(const struct writer *w, struct slice data, size_t at, size_t to,
			      const struct writer_rules *rules, struct event *ev, struct batch *b);
/* Where a line begins, the next one behind `from`; or the data end. */
size_t writer_cut(struct slice data, size_t from);
/* Both are the caller's to deinit still. -ENOMEM: neither is good for anything else. */
int must_check batch_join(struct batch *first, struct batch *second);

/* How many of those with an odd time are among the `stored` bytes, which are whole units. */
size_t batch_odd_ts(const struct batch *b, size_t stored);
/* How many of the data's bytes count as written when `stored` bytes of batch->lines are in the log. */
size_t batch_written(const struct batch *b, size_t stored);

/* Takes note that `written` bytes of the data have been accepted: 0, or -ENOMEM with nothing changed. 1:
 * the bad line has been reached, and is refused now (b->bad). Its program is told by a short count, or,
 * where nothing was written, by its error. */
int must_check writer_written(struct writer *w, struct batch *b, size_t written);

/* Makes a batch of the partial line, at a close: n is 0 where there is nothing but white space; bad.error
 * is set where it is no whole event, or must not be appended (-EPERM). The line stays the writer's. */
int must_check writer_finish(struct writer *w, const struct writer_rules *rules, struct event *ev,
			     struct batch *ret);
