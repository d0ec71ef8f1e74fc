/* Reads of a file of tail/, of which one has its turn: it is being answered, and the others wait behind it,
 * in their order. Where there is nothing to read, all wait, until the notify thread gives the first its turn
 * (turn_give()).
 *
 * Who has the turn ends it with turn_end() before the answer goes out (whoever has that may read again at
 * once) or goes back to waiting with turn_wait(). Either way turn_pass() follows: a change that came
 * meanwhile was told to nobody.
 *
 * Any thread; no lock held but where it says so: the lock of following is taken in here. */
#pragma once

#include "fs/following/follower.h"
#include "fs/files/text.h"

/* A read that waits for something to read. */
struct tail_wait {
	struct tail_wait *next;
	fuse_req_t req;
	size_t size;
	bool nonblock; /* it does not wait, but its answer has to be asked for */
};

enum turn {
	TURN_NOW,         /* it has the turn */
	TURN_WAITS,       /* it waits, and is no more the caller's */
	TURN_END,         /* it is to be told of the end of file, */
	TURN_REFUSED,     /* that there is nothing for it (-EAGAIN), */
	TURN_INTERRUPTED, /* or that it was interrupted */
};

/* A file is opened: it begins at `pos`. With `ends_once` the first read that would wait is told of an end. */
void turn_begin(struct file *f, uint64_t pos, bool ends_once);
/* A read comes in. */
enum turn turn_ask(struct file *f, struct tail_wait *wait);
/* Who has the turn has found nothing: back to waiting. The turn is over. */
enum turn turn_wait(struct file *f, struct tail_wait *wait);
/* The turn is over. */
void turn_end(struct file *f);
/* After the end of a turn, and its answer. */
void turn_pass(struct file *f);
/* Under the lock: does anybody wait for a turn that nobody has? */
bool turn_is_free(const struct file *f);
/* Under the lock: gives the turn to the first that waits. The caller's to have answered. */
struct tail_wait *turn_give(struct file *f);
/* Under the lock: takes the read of this request out of those that wait; NULL: it is not among them. */
struct tail_wait *turn_take_out(struct file *f, fuse_req_t req);

/* For who has the turn. */
/* Where it is to read: in the log, or in the file's text. False: all is over, and that is the end of file. */
bool turn_place(const struct file *f, uint64_t *ret_pos);
/* So many bytes of the log have been read. */
void turn_got(struct file *f, size_t n);
/* The next part, of `size` bytes at most, of the text that the file holds: that text, with a reference. NULL:
 * it has been read to the end. */
struct text *turn_text(struct file *f, size_t size, uint64_t *ret_pos);
/* The view stands like this, with this text (NULL: it can't be read; taken): it is read from its beginning,
 * unless it is what the file has given out already. */
void turn_saw(struct file *f, const struct seen *seen, struct text *text);

/* How many bytes have been given out. */
uint64_t turn_given(const struct file *f);
