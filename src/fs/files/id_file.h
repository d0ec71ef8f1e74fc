/* ids/ID: what its directory's look-up asks. */
#pragma once

#include "fs/mount.h"

/* The event with this id, percent-encoded. Answers once the index has been asked (model/ids/ids.h). */
void id_file_lookup(struct mount *m, fuse_req_t req, const char *name);
