/* What is said to the other machines of a shared log through ctl:
 *
 *   cluster forget MACHINE   it is no longer waited for, and has to be copied anew to come back
 *   cluster agree            from now on an append is decided everywhere as it is here
 *
 * The write returns when that is done. */
#pragma once

#include "fs/mount.h"

/* The words behind "cluster"; answers the request: EINVAL where they are no command, or the log is not
 * shared. On the fuse thread. */
void ctl_cluster(struct mount *m, fuse_req_t req, char *const *words, size_t n, size_t size);
