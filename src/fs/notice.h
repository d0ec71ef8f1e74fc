/* Raises inotify for a change that the daemon made: by a real operation on the mount, for nothing else does. On the
 * raising thread only (follow.c), since the fuse thread would wait for itself. */
#pragma once

#include "fs/mount.h"

/* The device number of what is mounted at `mnt`. Asks nothing of the mount itself: the fuse thread may call it. */
dev_t notice_device(const char *mnt);
/* Is it mounted anywhere that this process sees? */
bool notice_is_mounted(dev_t dev);

/* MODIFY and CLOSE_WRITE on the file at `path` below the mount. */
void notice_raise(struct mount *m, const char *path);
