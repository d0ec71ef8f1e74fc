/* One line of text for a person: why something did not work. Libraries fill it, they never print.
 * The holder owns it; {0} is an empty one. A NULL diag is fine everywhere. */
#pragma once

#include "base/defs.h"

struct diag {
	char text[512];
};

/* Sets the text (cut to fit, newlines become blanks) and returns `result`, so that a failure is one
 * line: return diag_set(d, -EINVAL, "…"). */
int diag_set(struct diag *d, int result, const char *fmt, ...) printf_like(3, 4);
