/* An open file of the mount. The kernel holds it by its address (fi->fh). */
#pragma once

#include "fs/mount.h"
#include "fs/log/open_log.h"
#include "fs/files/text.h"

struct file {
	struct mount *mount;
	struct node *node;
	struct file *next, **prevp;              /* in node->files; under the mount's lock */
	struct file *next_writer, **prev_writer; /* in the main node's writers; under the same */
	unsigned refs; /* the kernel's, and one for each request under way; under the mount's lock */
	pid_t pid;     /* the thread that opened it: its fstat is answered by what it holds. 0: unknown */
	int flags;     /* of open(2) */

	/* How it came to be opened: by a name that this thread had just looked up, and been told this size
	 * of; after the thread had been told ESTALE. */
	bool looked_up, told;
	bool crowded;      /* others have lately been told the size of the node (reservation.h) */
	uint64_t tellings; /* the node's, then */
	bool met;    /* another thread has the node open for writing, and has opened or written since this one
			did */
	bool beside; /* or another of the same file's */
	uint64_t size_told;
	/* For writing, and nothing has been done with it: its open may go on to truncate. fuse thread */
	bool just_opened;

	/* Text files and views. */
	struct text *text; /* under the mount's lock; what reads are answered from */
	bool started;      /* something has been read: offset 0 takes a fresh text. fuse thread */
	/* Under the mount's lock: see held.h. */
	struct text *cached;    /* what fills the page cache; NULL: not open yet, or no such file */
	bool filled, refreshed; /* that has been read; another text has been read since */

	bool sized; /* a file of tail/ that tail(1) has open: fstat tells by the size whether there is news */

	struct flock_held flock;
	struct follower follower;
	struct unclosed unclosed; /* under the lock of following */
	bool notice;              /* opened to raise inotify and for nothing else (notice.h) */

	uint64_t end; /* at/N/app: where it ends, in bytes */

	/* Directories: entries in FUSE's form. */
	struct buf entries;

	struct open_log log; /* events/app */
};

/* A new file on the node, in its list; NULL: no memory. */
struct file *file_new(struct mount *m, struct node *node, fuse_req_t req, const struct fuse_file_info *fi);
struct file *file_ref(struct file *f);
void file_unref(struct file *f);

static inline struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

/* It is closed for good: nobody meets it any more, though a request of its may be under way still. */
void file_closed(struct file *f);

/* It has been written to, or opened for that. fuse thread */
void file_wrote(struct file *f);
/* Does another thread than `pid` have the node open for writing? */
bool file_others_write(struct mount *m, const struct node *node, pid_t pid);

/* The file that the thread `pid` has just opened on the node for writing, and with none of these flags;
 * NULL: none. On the fuse thread. */
struct file *file_just_opened(struct mount *m, struct node *node, pid_t pid, int but_flags);

/* Is a read of it one of the kernel's own, which fills its page cache for sendfile, splice or a mapping?
 * Then it is no one's who could be named, and how far the program has come is not known. */
static inline bool file_is_fill(const struct fuse_file_info *fi)
{
	return fi->lock_owner == 0;
}
