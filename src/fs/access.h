/* Who may do what with the files of a mount. The daemon checks that, not the kernel: the thread that
 * raises inotify opens files for writing that nobody may write.
 *
 * By default the user who mounts, and root, may write, and all may read whom the kernel lets in at all
 * (allow_other), but for ctl and rejected.jsonl. uid=, gid= and umask= are as for other file systems
 * without owners of their own: whom the files are said to belong to, and which permissions they are
 * without. What nobody may (remove a file, write to a view) stays so. Who may append may read what was
 * refused. */
#pragma once

#include <sys/stat.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "base/defs.h"
#include "fs/node/node.h"

struct mount;

/* As the options have it. */
struct access_rules {
	bool has_uid, has_gid, has_umask;
	uid_t uid;
	gid_t gid;
	mode_t umask;
};

/* Type and permissions of a file. */
mode_t access_mode(const struct mount *m, enum node_kind kind);

/* Root, the daemon's user, or whom the files belong to: may do all that can be done. */
bool access_is_owner(fuse_req_t req);

/* May who asks do this? `mask` as of access(2). */
bool access_may(fuse_req_t req, const struct node *node, int mask);
