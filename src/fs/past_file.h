/* at/N/app and at/N/NAME.json: the log and the views as they were. What they hold never changes. */
#pragma once

#include "fs/file.h"

void past_file_getattr(struct mount *m, fuse_req_t req, struct node *node);
void past_file_open(struct mount *m, fuse_req_t req, struct node *node, struct fuse_file_info *fi);
/* `fill`: for the page cache, not a read(2). */
void past_file_read(fuse_req_t req, struct file *f, off_t off, size_t size, bool fill);
