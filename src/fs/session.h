/* The one session loop: takes requests from the kernel (or from whoever plays it) and runs the operations. */
#pragma once

#include "fs/mount.h"

/* Runs until the filesystem is unmounted (0), `stop_fd` becomes readable (0; -1: none), or the connection
 * fails. On the calling thread, which is the fuse thread. All who follow something have been let go
 * afterwards. */
int must_check session_run(struct fuse_session *se, struct mount *m, int stop_fd);
