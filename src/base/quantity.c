#include "base/quantity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMG";
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (errno || (unit && end[1]) || (*end && !unit) || value > UINT64_MAX >> shift)
		return false;
	*ret = value << shift;
	return true;
}

bool parse_duration(const char *text, unsigned *ret_ms)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || !(value >= 0) || value > 86400)
		return false;
	if (strcmp(end, "ms") == 0)
		*ret_ms = (unsigned)value;
	else if (strcmp(end, "s") == 0 || *end == '\0')
		*ret_ms = (unsigned)(value * 1000);
	else
		return false;
	return true;
}
