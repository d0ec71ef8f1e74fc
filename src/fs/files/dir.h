/* Directories: looking up and listing, whatever is in them. What is in each is in dirs.c. On the fuse
 * thread. */
#pragma once

#include "fs/node/file.h"

/* Does a look-up wait until it is known which views there are? While it does, the kernel lets no other
 * look-up into the directory (libfuse 3.14 does not tell it that it may), so what the view is made of is
 * waited for by getattr and open; but that there is an error says just that. */
bool dir_waits_for_views(struct mount *m, const struct deferred_call *call, const struct node *dir);
void dir_lookup(struct mount *m, fuse_req_t req, struct node *dir, const char *name);
/* Answers a look-up with the node of this kind and name. */
void dir_found(struct mount *m, fuse_req_t req, enum node_kind kind, struct slice name);
/* Nobody but the raise thread can make and remove files (raise.h). */
void dir_make(struct mount *m, fuse_req_t req, struct node *dir, const char *name);
void dir_remove(struct mount *m, fuse_req_t req, struct node *dir, const char *name);
void dir_open(struct mount *m, fuse_req_t req, struct node *dir, struct fuse_file_info *fi);
void dir_read(fuse_req_t req, struct file *f, off_t off, size_t size);
/* One more entry of what is being listed. */
int must_check dir_add(struct file *f, fuse_req_t req, const char *name, uint64_t ino, mode_t mode);
