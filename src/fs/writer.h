/* What an open handle of events/app does with the bytes that it is given: splits them into lines, checks each,
 * makes the stored lines out of them, and remembers what it owes its program. Pure: no file, no lock, no FUSE.
 *
 *     writer_resume(w, data, …)         is this what was refused, come again?
 *     writer_feed(w, data, …, &batch)   looks at data, changes nothing but the batch
 *     … the batch's lines are appended …
 *     writer_settle(w, &batch, n)       n bytes of data count as written: keeps what is left over
 *
 * A write is taken as far as its first bad line. write(2) then returns a short count, and its program comes back with the rest,
 * which begins with the bad line, and is told its error. Most do. What one that goes on with something else has left behind is
 * handed out by writer_resume() or writer_end(), so that it is not lost without a word.
 *
 * A writer is used by one thread at a time. */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "fs/guard.h"
#include "model/event.h"

/* A line, or what stood behind it, that is not appended. */
struct refusal {
	int error; /* negative errno; 0: there is none */
	struct json_error why;
	size_t bytes;    /* its length, as far as it is known */
	struct buf head; /* the first LIMIT_REJECTED_LINE of them */
};
void refusal_deinit(struct refusal *r);

struct writer {
	struct buf partial; /* a line's bytes that are waiting for their newline */
	struct guard guard;
	size_t last, before; /* bytes of the last write, and of that before */

	/* The bad line that ended the write before, if its program can't have been told its error yet. */
	struct {
		int error;  /* 0: none */
		bool told;  /* by a close */
		size_t len; /* what the write begins with that brings it again */
		uint64_t hash;
		struct refusal behind; /* what came behind it in that write */
	} declined;
};

struct writer_rules {
	size_t max_line;
	const struct guard_log *log; /* the lines that a guarded writer compares with */
	uint64_t now;                /* seconds since 1970, for events without ts */
};

/* Where a line ends, as stored and as given. */
struct batch_line {
	size_t stored, given;
};

/* The outcome of one write. */
struct batch {
	struct buf lines;        /* the good lines before the first bad one, as they will be stored */
	struct batch_line *ends; /* one for each of them */
	size_t n, cap;
	struct slice rest; /* what is left behind the last newline; points into the data */
	size_t given;      /* bytes of the data before the first bad line: all of it if there is none */
	struct guard guard;
	/* The first bad line, and what stands behind it in the data. */
	struct refusal bad, behind;
	size_t again_len; /* of the data from `given` on: the bad line's part with its newline */
	uint64_t again_hash;
};

void batch_deinit(struct batch *b);

void writer_deinit(struct writer *w);

/* To be asked at the beginning of a write. 0: it is to be fed; else the error that it gets: it brings again what was refused, or
 * the writer may not write. What the program has left behind instead is in *ret_left, the caller's to deinit. */
int must_check writer_resume(struct writer *w, struct slice data, struct refusal *ret_left);
/* The same, of a writer that will write no more. */
void writer_end(struct writer *w, struct refusal *ret_left);
/* The error that a close has to tell because no write has; once. */
int must_check writer_owes(struct writer *w);

/* Looks at `data`: 0, or -ENOMEM. The scanner `ev` is scratch. */
int must_check writer_feed(struct writer *w, struct slice data, const struct writer_rules *rules,
			   struct event *ev, struct batch *ret);

/* How many of the data's bytes count as written when `stored` bytes of batch->lines are in the log. */
size_t batch_written(const struct batch *b, size_t stored);

/* Takes note that `written` bytes of the data have been accepted: 0, or -ENOMEM with nothing changed. 1: the bad line has been
 * reached, and is refused now (b->bad). Its program is told by a short count, or, where nothing was written, by its error. */
int must_check writer_settle(struct writer *w, struct batch *b, size_t written);

/* Makes a batch of the partial line, at a close: n is 0 where there is nothing but white space; bad.error is set where it is
 * no whole event, or must not be appended (-EPERM). The line stays the writer's. */
int must_check writer_finish(struct writer *w, const struct writer_rules *rules, struct event *ev,
			     struct batch *ret);
