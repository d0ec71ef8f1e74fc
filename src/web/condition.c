#include "web/condition.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool condition_has(const char *list, const char *etag)
{
	size_t len = strlen(etag);

	if (!list || !len)
		return false;
	if (strcmp(list, "*") == 0)
		return true;
	for (const char *at = list; (at = strstr(at, etag)); at++)
		if (at[len] == 0 || at[len] == ',' || at[len] == ' ')
			return true;
	return false;
}

int condition_log(const char *match, char *out, size_t size)
{
	size_t len = match ? strlen(match) : 0;

	if (!match || strcmp(match, "*") == 0) {
		snprintf(out, size, "events/app");
		return 0;
	}
	if (len >= 2 && match[0] == '"' && match[len - 1] == '"') {
		match++;
		len -= 2;
	}
	if (len == 0 || len > 40 || strspn(match, "0123456789abcdef:") < len)
		return -EINVAL;
	snprintf(out, size, "events/app@%.*s", (int)len, match);
	return 0;
}
