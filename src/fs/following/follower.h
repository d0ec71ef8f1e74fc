/* A file's part in following: who waits on it, and whether there is something that it has not read.
 *
 * A file that somebody waits on is in the mount's list of followers. Who waits is told when the file
 * differs from what it has read; level-triggered: the wait is entered before the state is looked at, both
 * under the lock of following (follow.h), which is meant throughout, so no change can fall between.
 *
 * Programs select before each read of a plain file, and wait for its end as for that of any other: it is
 * ready until a read has returned nothing. After that it is ready when there is news. Nothing tells of a
 * seek, so reads are judged by where they are:
 *   - whoever has met the end of the log and reads on from there follows it, and is not told of the end
 *     again;
 *   - whoever reads a text from the beginning twice in a row, whole each time, does not look for its end
 *     either;
 *   - any other read has an end to come;
 *   - who selects and then reads until a buffer is full (pv) takes a 0 within that for a pause, and waits for
 *     the end: the first such 0 does not count. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

struct file;
struct mount;
struct tail_wait; /* turn.h */

/* What there is news of: each kind of file follows one of these, but that those of a view which tell its
 * position follow the log, too. */
enum topic { TOPIC_LOG, TOPIC_VIEW, TOPIC_REJECTED, TOPIC_STATUS, TOPICS };

/* How something stands that is followed, or what a file has seen of it. */
struct seen {
	uint64_t off;     /* of the log's head, or how far the view had read */
	uint64_t version; /* of the view's state; of the other texts */
	uint64_t error;   /* hash of what NAME.error says; 0: there is none */
	bool broken;
	bool something; /* it has read at all, or been told */
};

/* Is it something else, for what tells of this? For the classes (node_class.h). */
bool seen_other_place(const struct seen *was, const struct seen *now);    /* how far the log goes */
bool seen_other_state(const struct seen *was, const struct seen *now);    /* the view's state; the text */
bool seen_other_position(const struct seen *was, const struct seen *now); /* how far the view has read */
bool seen_other_snapshot(const struct seen *was, const struct seen *now); /* both */
bool seen_other_error(const struct seen *was, const struct seen *now);

/* A file's part in following. Under the lock. */
struct follower {
	struct file *next, **prevp;   /* in one of the mount's lists; prevp NULL: in none */
	struct fuse_pollhandle *poll; /* whom to tell, once */
	/* Of a file of tail/, see turn.h. */
	struct tail_wait *first, **last; /* reads that wait */
	bool reading;                    /* one has its turn */
	bool ends_once;                  /* the first that would wait is told of an end */
	uint64_t given;                  /* bytes */
	/* The log: behind what has been read on from its end. Its tails: behind what has been read. A
	 * view's tail: in its text. */
	uint64_t pos;
	uint64_t len;     /* of a view's tail: of that text */
	struct seen seen; /* as it was read */
	struct seen told; /* as poll(2) was last told of it: nobody is woken twice for the same */
	bool ended;       /* a read has met the end, and none has gone elsewhere since */
	bool selects;     /* poll(2) was asked before that */
	size_t room;      /* so much the last read has left of its buffer; 0: it got nothing */
	bool met_end;     /* a read has met an end, be it one that did not count */
	bool whole;       /* the last read was of the whole text, from its beginning */
};

void follower_init(struct file *f);
/* A file is closed: nobody waits on it any more. Under the lock. */
void follower_deinit(struct file *f);

/* poll(2) on a file. */
void follower_poll(fuse_req_t req, struct file *f, struct fuse_pollhandle *ph);
/* Under the lock: one more read waits for the file to change, or one no more. */
void follower_enter(struct file *f);
void follower_leave(struct file *f);
/* Under the lock: whom poll(2) has left, to be told that it stands like this (NULL: to look again); NULL:
 * nobody. The caller's to tell and to destroy. */
struct fuse_pollhandle *follower_take_poll(struct file *f, enum topic topic, const struct seen *now);
/* Under the lock, one going through all who wait, each once; the lock may be released in between, and
 * nobody else goes through them. follower_next(): NULL at the end; the file lives while the lock is held. */
void follower_begin(struct mount *m);
struct file *follower_next(struct mount *m);
/* An interrupted request, if it is one that waits here: answered with EINTR. */
void follower_interrupt(struct mount *m, fuse_req_t req);

/* No lock held: is there something that the file has not read, as far as it is known without asking
 * anybody? */
bool follower_has_news(const struct file *f);
/* No lock held: the file has read something that stands like this; and, with the other one, its end. */
void follower_saw(struct file *f, const struct seen *seen);
void follower_saw_end(struct file *f, const struct seen *seen);
/* No lock held, before the answer: read(2) of `size` bytes gets `n` from `off` on, of `end` that there are.
 * Not for the reads by which the kernel fills its page cache: how far their program has come is not known. */
void follower_note_read(struct file *f, uint64_t off, size_t size, size_t n, uint64_t end);

/* For struct seen, out of struct view_status. */
uint64_t follower_error(const char *why);
/* How it stands, as far as it is known without asking anybody. `view`: the one that TOPIC_VIEW is about. */
struct seen follower_state(struct mount *m, enum topic topic, const char *view);
/* Under the lock: do reads that wait, or those whom poll(2) has left, have to be told, now that this has
 * changed, and stands like this? What the file has read already counts as told. */
bool follower_must_read(const struct file *f, enum topic topic, const char *view, const struct seen *now);
bool follower_must_poll(struct file *f, enum topic topic, const char *view, const struct seen *now);
/* Under the lock: do blocked reads of the file end, with end-of-file? */
bool follower_is_over(const struct file *f);
