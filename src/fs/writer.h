/* What an open handle of events/app does with the bytes that it is given: splits them into lines, checks each,
 * and makes the stored lines out of them. Pure: no file, no lock, no FUSE.
 *
 *     writer_feed(w, data, …, &batch)   looks at data, changes nothing but the batch
 *     … the batch's lines are appended …
 *     writer_settle(w, &batch, n)       n bytes of data count as written: keeps what is left over
 *
 * A writer is used by one thread at a time. */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "model/event.h"

struct writer {
	struct buf partial; /* a line's bytes that are waiting for their newline */
	bool guarded;       /* opened with O_TRUNC, and no line has been written yet */
};

/* The log's first line, to recognise a program that saves the log over itself. len 0: the log is empty. */
struct first_line {
	size_t len;
	uint64_t hash; /* log_hash() */
};

struct writer_rules {
	size_t max_line;
	struct first_line first;
	uint64_t now; /* seconds since 1970, for events without ts */
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
	/* The first bad line. */
	int error; /* 0 or a negative errno */
	struct json_error why;
	size_t line_begin; /* of the bad line, in the data; 0 also where it began before */
	struct slice bad;  /* its part in the data */
};

void batch_deinit(struct batch *b);

void writer_deinit(struct writer *w);

/* Looks at `data`: 0, or -ENOMEM. The scanner `ev` is scratch. */
int must_check writer_feed(struct writer *w, struct slice data, const struct writer_rules *rules,
			   struct event *ev, struct batch *ret);

/* How many of the data's bytes count as written when `stored` bytes of batch->lines are in the log. */
size_t batch_written(const struct batch *b, size_t stored);

/* Takes note that `written` bytes of the data have been accepted: 0, or -ENOMEM with nothing changed. */
int must_check writer_settle(struct writer *w, const struct batch *b, size_t written);

/* Makes a batch of the partial line, at a close: n is 0 where there is nothing but white space; error is set where it is
 * no whole event. */
int must_check writer_finish(struct writer *w, const struct writer_rules *rules, struct event *ev,
			     struct batch *ret);
