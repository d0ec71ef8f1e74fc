/* One line of text for a person: why something did not work. Libraries fill it, they never print.
 * The holder owns it; {0} is an empty one. A NULL diag is fine everywhere. */
#pragma once

#include <stdarg.h>

#include "base/defs.h"
#include "base/slice.h"

struct diag {
	char text[512];
};

/* Sets the text (made plain and cut to fit, see plain.h) and returns `result`, so that a failure is one
 * line: return diag_set(d, -EINVAL, "…"). */
int diag_set(struct diag *d, int result, const char *fmt, ...) printf_like(3, 4);
int diag_setv(struct diag *d, int result, const char *fmt, va_list args) printf_like(3, 0);
/* The same with a text that may have zero bytes in it. */
int diag_set_text(struct diag *d, int result, struct slice text);
