/* What can be found out about a mount before it is begun, in the foreground, where its user sees it. */
#pragma once

#include <limits.h>

#include "base/diag.h"

/* Absolute and resolved. */
struct mount_paths {
	char data[PATH_MAX], mnt[PATH_MAX];
};

/* Can `data` (which may be missing) be mounted at `mnt`? 0 or a negative errno. Changes nothing, but takes
 * away the mount that a killed daemon has left behind. */
int must_check mount_check(const char *data, const char *mnt, struct mount_paths *ret, struct diag *diag);
