/* Who holds the flock on a file, by /proc/locks. */
#pragma once

#include <sys/types.h>

/* Its process id; 0 where it can't be found (other container, no /proc). */
pid_t holder_find(int fd);
