#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>

int diag_set(struct diag *d, int result, const char *fmt, ...)
{
	va_list args;

	if (!d)
		return result;
	va_start(args, fmt);
	vsnprintf(d->text, sizeof(d->text), fmt, args);
	va_end(args);
	for (char *c = d->text; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	return result;
}
