#include "web/condition.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

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

/* The head that a part of If-Match names; empty: it is none that a log could have. Without quotes it must
 * stand alone. */
static struct slice head_in(const char *part, size_t len, bool is_alone)
{
	for (; len > 0 && (*part == ' ' || *part == '\t'); len--)
		part++;
	while (len > 0 && (part[len - 1] == ' ' || part[len - 1] == '\t'))
		len--;
	bool is_quoted = len >= 2 && part[0] == '"' && part[len - 1] == '"';
	if (!is_quoted && !is_alone)
		return (struct slice){0};
	if (is_quoted) {
		part++;
		len -= 2;
	}
	return len > 40 || strspn(part, "0123456789abcdef:") < len ? (struct slice){0}
								   : (struct slice){part, len};
}

int condition_log(const char *match, const char *head, char *out, size_t size)
{
	bool is_alone = !match || !strchr(match, ',');
	struct slice found = {0};

	if (!match || strcmp(match, "*") == 0) {
		snprintf(out, size, "events/app");
		return 0;
	}
	for (const char *at = match; *at && !(found.len > 0 && slice_eq(found, slice_of(head)));) {
		size_t len = strcspn(at, ",");
		struct slice part = head_in(at, len, is_alone);
		if (part.len > 0)
			found = part;
		at += len + (at[len] == ',');
	}
	if (found.len == 0)
		return -EINVAL;
	snprintf(out, size, "events/app@%.*s", (int)found.len, found.data);
	return 0;
}
