/* The one place that turns results into answers to the kernel. `error` is 0 or a negative errno as
 * everywhere; a request is gone after its answer. Any thread, no lock held. */
#pragma once

#include "fs/node/file.h"

/* How long the kernel may keep names and attributes of what never changes, in seconds. */
#define REPLY_FOREVER 3600.0

/* The size of what can't be read, in bytes: tar, rsync and others don't open an empty file, and would
 * store it as one. */
#define REPLY_UNREADABLE 1

/* The size that is told where nobody has asked for it, at a look-up. A stat(2) is followed by a getattr,
 * which has the exact one; but an open is not, and sendfile and private mappings then go by this. They
 * stop at a short read, so too much does no harm, while too little cuts the text off. A text is made at
 * open, and neither a look-up nor a notice waits for a fold. */
uint64_t reply_size_hint(struct mount *m, struct node *node);

void reply_error(fuse_req_t req, int error);
/* `changed`: when its content last became another one (mtime.h); NULL: as was told last. */
void reply_attr(fuse_req_t req, struct mount *m, struct node *node, uint64_t size,
		const struct timespec *changed);
void reply_entry(fuse_req_t req, struct mount *m, struct node *node, uint64_t size);
/* The file is the kernel's from then on, or freed where the open was interrupted. */
void reply_open(fuse_req_t req, struct fuse_file_info *fi, struct file *f);
/* The part of a text that a read of `size` bytes at `off` gets. */
void reply_part(fuse_req_t req, struct slice text, off_t off, size_t size);
void reply_data(fuse_req_t req, struct slice data);
void reply_written(fuse_req_t req, size_t n);
