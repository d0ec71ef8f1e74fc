/* An open file of the mount. The kernel holds it by its address (fi->fh). */
#pragma once

#include "fs/mount.h"
#include "fs/opener.h"
#include "fs/text.h"

struct file {
	struct mount *mount;
	struct node *node;
	struct file *next, **prevp; /* in node->files; under the mount's lock */
	unsigned refs; /* the kernel's, and one for each request under way; under the mount's lock */
	pid_t pid;     /* the thread that opened it: its fstat is answered by what it holds. 0: unknown */
	int flags;     /* of open(2) */

	/* How it came to be opened: by a name that this thread had just looked up, and been told this size of; after the thread had
	 * been told ESTALE. */
	bool looked_up, told;
	uint64_t size_told;
	/* For writing, and nothing has been done with it: its open may go on to truncate. fuse thread */
	bool just_opened;

	/* Text files and views. */
	struct text *text; /* under the mount's lock; what reads are answered from */
	bool started;      /* something has been read: offset 0 takes a fresh text. fuse thread */
	/* Under the mount's lock: see held.h. */
	struct text *cached;    /* what fills the page cache; NULL: not open yet, or no such file */
	bool filled, refreshed; /* that has been read; another text has been read since */

	struct flock_held flock;
	struct follower follower;
	struct unclosed unclosed; /* under the mount's lock */
	bool notice;              /* opened to raise inotify and for nothing else (notice.h) */

	uint64_t end; /* at/N/app: where it ends, in bytes */

	/* Directories: entries in FUSE's form. */
	struct buf entries;

	/* events/app, opened for writing. The kernel sends one write at a time, but closes of copies of the descriptor come
	 * in between: while `busy` a write is with the commit thread, and what follows is that thread's. Under the mount's lock. */
	struct writer writer;
	bool busy;
	struct append *closes; /* that have come meanwhile, in order; under the mount's lock */
	struct opener opener;
	pid_t wrote;           /* the last thread that did */
	struct log_pos expect; /* events/app@…: appends only if the head is still there */
	int error; /* lines that were acknowledged as queued could not be written: for the next call */
};

/* A new file on the node, in its list; NULL: no memory. */
struct file *file_new(struct mount *m, struct node *node, fuse_req_t req, const struct fuse_file_info *fi);
struct file *file_ref(struct file *f);
void file_unref(struct file *f);

static inline struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

/* The file that the thread `pid` has just opened on the node for writing, and with none of these flags; NULL: none. On the fuse thread. */
struct file *file_just_opened(struct mount *m, struct node *node, pid_t pid, int but_flags);

/* Is a read of it one of the kernel's own, which fills its page cache for sendfile, splice or a mapping? Then it is no one's who could be
 * named, and how far the program has come is not known. */
static inline bool file_is_fill(const struct fuse_file_info *fi)
{
	return fi->lock_owner == 0;
}
