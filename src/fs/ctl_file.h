/* ctl: a command is written: rotate | rebuild [NAME] | snapshot. The write returns when a rotation is done; the other two are
 * only set going. */
#pragma once

#include "fs/file.h"

void ctl_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
void ctl_file_write(fuse_req_t req, struct file *f, struct slice data);
