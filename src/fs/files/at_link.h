/* at/TIME: a link to at/N, the log as it was then. Looked up anew each time, since time and log go on. */
#pragma once

#include "fs/mount.h"

/* Answers the look-up of a name in at/, once the history thread has found the place. */
void at_link_lookup(struct mount *m, fuse_req_t req, const char *name);
