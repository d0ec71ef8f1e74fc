#include "web/range.h"

#include <stdbool.h>
#include <string.h>

#include "base/defs.h"

/* Digits; one number too large for any file is UINT64_MAX. False: there are none. */
static bool number(const char **at, uint64_t *ret)
{
	const char *p = *at;
	uint64_t value = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			value = UINT64_MAX;
	if (p == *at)
		return false;
	*at = p;
	*ret = value;
	return true;
}

enum range_kind range_parse(struct range *ret, const char *header, uint64_t size)
{
	uint64_t first = 0, last = 0;
	bool has_first, has_last;

	*ret = (struct range){0, size};
	if (!header || strncmp(header, "bytes=", 6) != 0)
		return RANGE_WHOLE;
	header += 6;
	has_first = number(&header, &first);
	if (*header++ != '-')
		return RANGE_WHOLE;
	has_last = number(&header, &last);
	if (*header || (!has_first && !has_last) || (has_first && has_last && last < first))
		return RANGE_WHOLE;
	if (!has_first) {
		uint64_t len = min(last, size);

		*ret = (struct range){size - len, len};
		return len > 0 ? RANGE_PART : RANGE_NONE;
	}
	if (first >= size)
		return RANGE_NONE;
	*ret = (struct range){first, (has_last && last < size - 1 ? last + 1 : size) - first};
	return RANGE_PART;
}
