/* A file's part in following: who waits on it, and whether there is something that it has not read.
 *
 * A file that somebody waits on is in the mount's list of followers. Who waits is told when the file differs from what it has read;
 * level-triggered: the wait is entered before the state is looked at, both under the mount's lock, so no change can fall between. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

struct file;
struct mount;

/* A read that waits for something to read. */
struct tail_wait {
	struct tail_wait *next;
	fuse_req_t req;
	size_t size;
	bool nonblock; /* it does not wait, but its answer has to be asked for */
};

/* What a file has seen of what it follows. */
struct seen {
	uint64_t off;     /* of the log's head, or how far the view had read */
	uint64_t version; /* of the view's state */
	bool broken;
	bool something; /* it has read at all */
};

/* A file's part in following. Under the mount's lock. */
struct follower {
	struct file *next, **prevp;   /* in the mount's list; prevp NULL: not in it */
	struct fuse_pollhandle *poll; /* whom to tell, once */
	struct tail_wait *first, **last;
	bool reading; /* a read is being answered: others wait behind it */
	uint64_t pos; /* the log: behind what has been read. A view's tail: in its text */
	struct seen seen;
};

void follower_init(struct file *f);
/* A file is closed: nobody waits on it any more. Under the lock. */
void follower_deinit(struct file *f);

/* poll(2) on a file. */
void follower_poll(fuse_req_t req, struct file *f, struct fuse_pollhandle *ph);
/* Under the lock: a read waits for the file to change. */
void follower_wait(struct file *f, struct tail_wait *wait);
/* Under the lock: the next read that waits for the file; NULL: none. The caller's to answer. */
struct tail_wait *follower_take(struct file *f);
/* Under the lock: whom poll(2) has left; NULL: nobody. The caller's to tell and to destroy. */
struct fuse_pollhandle *follower_take_poll(struct file *f);
/* An interrupted request, if it is one that waits here: answered with EINTR. */
void follower_interrupt(struct mount *m, fuse_req_t req);

/* How the log (view NULL) or a view stands, as far as it is known without asking anybody. */
struct seen follower_state(struct mount *m, const char *view);
/* Under the lock: has it to be told, now that the log or this view has changed, and stands like this? */
bool follower_is_due(const struct file *f, const char *view, const struct seen *now);
/* Under the lock: do blocked reads of the file end, with end-of-file? */
bool follower_is_over(const struct file *f);
