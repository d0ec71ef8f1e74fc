/* A read of the log's own bytes, as it is or as it was: answered by the history thread. */
#pragma once

#include "fs/node/file.h"

#define LOG_READ_ALL UINT64_MAX

/* Of a file that ends at this offset of the log; LOG_READ_ALL: wherever the head is by then. */
void log_read(fuse_req_t req, struct file *f, off_t off, size_t size, uint64_t end,
	      const struct fuse_file_info *fi);
