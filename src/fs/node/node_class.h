/* The kinds of file in the mount: where each is found, and what it does.
 *
 * ops.c decodes a request and calls the node's class; a class is in the file of its kind. A new kind is a
 * value in enum node_kind, its class, and a line in the table of node_class.c.
 *
 * All operations run on the fuse thread; each answers its request, now or later, on whatever thread has
 * what it waits for. */
#pragma once

#include "fs/node/file.h"

struct views_answer;
struct proof;
struct made;

struct node_class {
	mode_t mode;

	/* Does what its attributes say, or what it holds once it is open, go with the log's head? Then
	 * they wait for what is queued. */
	bool attr_tells_head, open_tells_head;
	/* The view that it tells of; NULL: none. Its reducer is looked at before. */
	const char *(*view)(const struct node *node);

	/* NULL: its size is 0. */
	void (*getattr)(struct mount *m, fuse_req_t req, struct node *node);
	/* The size to tell where nobody has asked for it (reply.h); NULL: 0. */
	uint64_t (*size_hint)(struct mount *m, struct node *node);
	void (*open)(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
	void (*read)(fuse_req_t req, struct file *f, off_t off, size_t size, const struct fuse_file_info *fi);
	/* Does this read depend on what is queued? NULL: none does. */
	bool (*read_tells_head)(const struct file *f, off_t off, size_t size,
				const struct fuse_file_info *fi);
	/* `fi->lock_owner`: the table of descriptors that it came through (opener.h), `table` below;
	 * `fi->flags`: with O_DSYNC where it is to be on disk, be it for this write only. NULL: EBADF, and
	 * nothing to do for the others. */
	void (*write)(fuse_req_t req, struct file *f, struct slice data, const struct fuse_file_info *fi);
	void (*flush)(fuse_req_t req, struct file *f, uint64_t table);
	void (*fsync)(fuse_req_t req, struct file *f);
	void (*release)(fuse_req_t req, struct file *f);
	/* Its open was one with O_TRUNC: nothing has been cut. NULL: that is no matter. */
	void (*truncated)(struct file *f);
	/* It is to be cut, through this file: refused in its own way. NULL: EPERM. */
	void (*refuse_cut)(fuse_req_t req, struct file *f);

	/* Files whose text is made at open (text_file.h): at once, or out of what views_want() or
	 * prover_want() answers. */
	int (*make)(struct mount *m, const struct node *node, struct buf *b, struct made *ret);
	struct text *(*of_answer)(const struct views_answer *a); /* takes the rendering */
	bool position;                                           /* that needs no state */
	struct text *(*of_proof)(const struct proof *proof);
	uint64_t (*proof_size)(uint64_t off); /* what it will be, of a head there */

	/* Following (follower.h): what it is about, and whether it says something else. NULL: it never
	 * does. */
	enum topic topic;
	bool (*differs)(const struct seen *was, const struct seen *now);
	bool tells_position; /* of a view: it follows the log, too */
	bool reads_on;       /* what is new is behind what has been read, not in its place */
	bool blocks;         /* its reads wait: it has no end */
	/* Answers a read that has waited and has its turn now, or is to learn of the end of all: takes both.
	 * On the notify thread. */
	void (*answer)(struct file *f, struct tail_wait *wait);

	/* Where a symbolic link leads. */
	const char *(*target)(const struct mount *m, const struct node *node);

	/* Directories: names that are not in the table; NULL: there are none. */
	void (*lookup)(struct mount *m, fuse_req_t req, struct node *dir, const char *name);
	int (*list)(struct mount *m, struct file *f, fuse_req_t req);
	bool has_views, lookup_tells_head;
	bool long_names; /* of whatever length; else none is longer than those of views */
	/* Is there such a file in this mount? NULL: in every one. */
	bool (*is_there)(const struct mount *m);
	bool unlisted; /* what is in there is not listed, so that nothing which walks the mount hangs on it */
};

/* Where a kind is found. `name`: in its directory; of a view's files, what stands behind the view's name;
 * NULL: what the directory's look-up says. */
struct kind {
	const struct node_class *class;
	enum node_kind dir;
	const char *name;
};

extern const struct kind kinds[NODE_KINDS];

static inline const struct node_class *class_of(const struct node *node)
{
	return kinds[node->kind].class;
}
