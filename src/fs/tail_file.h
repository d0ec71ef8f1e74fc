/* The files of tail/: blocking reads. What a read at a file's place finds is given out at once; else it waits (follow.h). */
#pragma once

#include "fs/file.h"

void tail_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
void tail_file_read(fuse_req_t req, struct file *f, size_t size, bool nonblock);

/* Answers a read that waited, now that there is something, or the mount ends: takes the wait and the reference to the file
 * that goes with it; the follower is `reading`. On the notify thread. */
void tail_file_answer(struct file *f, struct tail_wait *wait);
