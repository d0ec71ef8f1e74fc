/* The operations on each kind of node: ops.c decodes a request and calls one of these. All run on the fuse thread; each
 * answers its request now or has it answered later. */
#pragma once

#include "fs/file.h"

/* Directories (dir.c). */
/* Does a look-up wait until it is known which views there are? While it does, the kernel lets no other look-up into the directory
 * (libfuse 3.14 does not tell it that it may), so what the view is made of is waited for by getattr and open; but that there is an
 * error says just that. */
bool dir_waits_for_views(struct mount *m, const struct deferred_call *call, const struct node *dir);
void dir_lookup(struct mount *m, fuse_req_t req, struct node *dir, const char *name);
/* Nobody but the raise thread can make and remove files (raise.h). */
void dir_make(struct mount *m, fuse_req_t req, struct node *dir, const char *name);
void dir_remove(struct mount *m, fuse_req_t req, struct node *dir, const char *name);
void dir_open(struct mount *m, fuse_req_t req, struct node *dir, struct fuse_file_info *fi);
void dir_read(fuse_req_t req, struct file *f, off_t off, size_t size);

/* Files whose text is made at open: views, head/app, status.json, rejected.jsonl (text_file.c). */
void text_file_getattr(struct mount *m, fuse_req_t req, struct node *node);
void text_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
/* `fill`: for the page cache, not a read(2). */
void text_file_read(fuse_req_t req, struct file *f, off_t off, size_t size, bool fill);

/* events/app (log_file.c). */
/* A thread is told the log's size. */
void log_file_used(struct mount *m, pid_t tid);
void log_file_getattr(struct mount *m, fuse_req_t req, struct node *node);
void log_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
/* The file's open was one with O_TRUNC: nothing has been cut. */
void log_file_truncated(struct file *f);
void log_file_read(fuse_req_t req, struct file *f, off_t off, size_t size, bool fill);

/* Writing to it (append.c). `table`: of descriptors, that it came through (opener.h). */
void append_write(fuse_req_t req, struct file *f, struct slice data, uint64_t table);
void append_flush(fuse_req_t req, struct file *f, uint64_t table);
/* Who wants to cut the log, like vim, is about to write all of it anew: he writes no more. */
void append_refuse_cut(fuse_req_t req, struct file *f);
void append_fsync(fuse_req_t req, struct file *f);
void append_release(fuse_req_t req, struct file *f);
