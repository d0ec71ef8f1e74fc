/* The log of a mount, for commands that append to it: whole lines, and the daemon's own words for what it
 * refuses. */
#pragma once

#include "base/buf.h"
#include "base/diag.h"

struct appender {
	int fd;
	const char *mnt; /* as given; the caller's */
};

/* `conditions`: append only on these ("OFFSET:HASH", "once", or both with a comma); NULL: in any case. 0, or
 * a negative errno with the reason in the diag. */
int must_check appender_open(struct appender *a, const char *mnt, const char *conditions, struct diag *diag);

/* Writes whole lines: 0, or a negative errno with the reason. *ret_written: how many bytes, of whole lines,
 * were taken before that. What is behind the line that was refused is not tried. */
int must_check appender_write(struct appender *a, struct slice lines, size_t *ret_written, struct diag *diag);

/* Closes it, and says what only a close can say. */
int must_check appender_close(struct appender *a, struct diag *diag);
