/* A large write that is looked at piece by piece, and is with the commit thread from the first one on: what
 * the rules have to say of it takes longer than the look, and begins with it.
 *
 *     fuse thread                      commit thread
 *     pieces_feed()  each of them      pieces_next()  waits for each
 *     pieces_end()                     … is false: it is whole
 *
 * All go into one batch, for which there is room enough from the start: what is there of it stays where it
 * is. The fuse thread waits for nobody on the way but the feeder thread, which waits for nobody: so whoever
 * waits for the end waits for moments. */
#pragma once

#include <pthread.h>

#include "fs/log/writer.h"

#define PIECE (128u << 10)
#define PIECE_FIRST (32u << 10) /* the sooner the judge can begin */
#define PIECES_MAX (LIMIT_WRITE / PIECE + 2)

/* So much of the batch. */
struct piece_end {
	size_t lines; /* bytes */
	size_t units, layouts;
};

struct pieces {
	struct batch *batch; /* the fuse thread's, but for what the ends say that is there */
	size_t at, end;      /* in the data: so far it has been looked at, of so much. The fuse thread's */

	pthread_mutex_t lock;
	pthread_cond_t more;
	struct piece_end ends[PIECES_MAX]; /* of the pieces */
	size_t n;
	bool whole; /* and there will be no other */
};

/* The room of a batch that is not used any more, for the next one: who brings a large write mostly brings
 * others. Any thread. */
struct pieces_spare {
	_Atomic(struct batch *) batch; /* NULL: there is none */
};
void pieces_spare_deinit(struct pieces_spare *spare);

/* For this write of this writer, into a batch of {0}, which is to live longer. `half`: what begins behind
 * half of it is looked at elsewhere, and joined. 1: it is not worth it. -ENOMEM. */
int must_check pieces_new(struct pieces **ret, struct pieces_spare *spare, const struct writer *w,
			  struct slice data, bool half, struct batch *batch);
/* Nobody waits any more. Nothing is left in the batch. */
void pieces_free(struct pieces *p, struct pieces_spare *spare); /* NULL is fine */

/* Looks at the next piece: as writer_feed(). 1: that was the last, up to the end of this half. */
int must_check pieces_feed(struct pieces *p, const struct writer *w, struct slice data,
			   const struct writer_rules *rules, struct event *ev);
/* What writer_feed_second() has found behind that is the last one. As batch_join(). */
int must_check pieces_join(struct pieces *p, struct batch *second);
void pieces_end(struct pieces *p);

/* A piece of the batch; it lives as long as that. */
struct piece {
	struct slice lines;
	size_t begin;             /* of these, in the batch's */
	const struct unit *units; /* their ends are in the batch's lines as well */
	size_t n;
	const struct event_layout *layouts;
};
bool piece_has_group(const struct piece *piece);
/* That of this number. False: there is none. Any thread. */
bool must_check pieces_next(struct pieces *p, size_t i, struct piece *ret);
/* Until the end. */
void pieces_wait(struct pieces *p);
/* Has that come? */
bool pieces_are_whole(struct pieces *p);
