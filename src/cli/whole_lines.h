/* Reading a file in whole lines. */
#pragma once

#include "base/defs.h"
#include "base/slice.h"

/* To the end; a last line without its newline counts. `take` gets some lines at a time, each with its
 * newline, none at all perhaps; false: that was enough. 0 or a negative errno. */
int must_check whole_lines(int fd, bool (*take)(void *arg, struct slice lines), void *arg);
