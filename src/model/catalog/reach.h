/* Opening names that a user can lead anywhere: into a mount of this very daemon, into one whose daemon waits
 * for this one, to a network disk that has died. To open such a name, or just to ask for its size, can take
 * for ever, and what waits for it then may not even be killable. So there are two ways to go: as far as
 * nothing can hang, which any thread may, and anywhere, which only a process that can be abandoned should. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/defs.h"

struct reach {
	bool anywhere;
	uint64_t home; /* reach_mount_of() DATA: what lies there hangs no sooner than the log itself */
};

/* What the name leads to, as a descriptor with O_PATH. `flags`: O_NOFOLLOW: the link itself. A negative
 * errno; -EXDEV: it leads, or may lead, farther than is safe. */
int must_check reach_open(const struct reach *reach, int dirfd, const char *name, int flags);
/* The same by nothing but what the kernel has at hand: never waits. -EAGAIN: that is not enough. */
int must_check reach_open_cached(int dirfd, const char *name);

/* Where a descriptor lies, found without asking the file system. */
enum reach_where {
	REACH_LOCAL,     /* in DATA's own mount, or on a disk of this machine */
	REACH_REMOTE,    /* a network's, another program's, or not known */
	REACH_EVENTFOLD, /* in a mount of this program */
};
enum reach_where reach_where(const struct reach *reach, int fd);
/* The mount's number; 0: not known. */
uint64_t reach_mount_of(int fd);
