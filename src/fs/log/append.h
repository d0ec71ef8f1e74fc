/* Writing to events/app: what becomes of the bytes that an open file is given, and what who writes, closes
 * or syncs is told. The operations of log_file.c's classes. */
#pragma once

#include "fs/node/file.h"

void append_write(fuse_req_t req, struct file *f, struct slice data, const struct fuse_file_info *fi);
/* A close by one of those who hold the descriptor. */
void append_flush(fuse_req_t req, struct file *f, uint64_t table);
void append_fsync(fuse_req_t req, struct file *f);
/* Nobody can go on with it any more, and a release has no answer: what is left goes where it can be found. */
void append_release(fuse_req_t req, struct file *f);
/* Who wants to cut the log, like vim, is about to write all of it anew: he writes no more. */
void append_refuse_cut(fuse_req_t req, struct file *f);
/* Commit thread: what the guard against saving the log over itself compares with; others have appended it. */
void append_joined(struct mount *m, struct slice lines);
