/* ctl: a command is written, and the write returns when it is done: rotate | rebuild [NAME] | snapshot. */
#pragma once

#include "fs/file.h"

void ctl_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
void ctl_file_write(fuse_req_t req, struct file *f, struct slice data);
