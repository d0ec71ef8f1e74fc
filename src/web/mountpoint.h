/* The mount as this server sees it: a directory and what lies in it. Nothing of it is kept open between
 * two requests, so that it can be unmounted at any time. Any thread; an open may wait for as long as the
 * mount makes it wait. */
#pragma once

#include <sys/types.h>

#include "base/defs.h"

/* Opens what `name` ("views/count.json") names in the mount, never anything outside of it: no link is
 * followed but at/TIME. A descriptor, or a negative errno; -ENODEV: nothing is mounted. */
int must_check mountpoint_open(const char *mnt, const char *name, int flags);

/* Whether something is mounted, and which: 0 or -ENODEV. */
int must_check mountpoint_look(const char *mnt, dev_t *ret);

/* Reads the whole of a small file: its length, cut at `size` - 1, with a zero behind it, or a negative
 * errno. */
ssize_t must_check mountpoint_read(const char *mnt, const char *name, char *out, size_t size);
