#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/plain.h"

int diag_setv(struct diag *d, int result, const char *fmt, va_list args)
{
	char text[2 * sizeof(d->text)];

	if (!d)
		return result;
	int len = vsnprintf(text, sizeof(text), fmt, args);
	size_t have = len < 0 ? 0 : min((size_t)len, sizeof(text) - 1);
	plain_text(d->text, sizeof(d->text), (struct slice){text, have}, (size_t)max(len, 0) > have);
	return result;
}

int diag_set(struct diag *d, int result, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	diag_setv(d, result, fmt, args);
	va_end(args);
	return result;
}

int diag_set_text(struct diag *d, int result, struct slice text)
{
	if (d)
		plain_text(d->text, sizeof(d->text), text, false);
	return result;
}
