#include "web/refusal.h"

#include <stdio.h>

struct slice refusal_find(struct slice refused, pid_t thread)
{
	char pid[48];
	int len = snprintf(pid, sizeof(pid), ",\"pid\":%d,", (int)thread);

	while (refused.len > 0) {
		const char *begin = memrchr(refused.data, '\n', refused.len - 1);
		struct slice line;

		begin = begin ? begin + 1 : refused.data;
		line = (struct slice){begin, refused.len - (size_t)(begin - refused.data)};
		if (memmem(line.data, line.len, pid, (size_t)len))
			return line;
		refused.len = (size_t)(begin - refused.data);
	}
	return refused;
}

/* Inside of strings quotes are escaped, so what is found is a member. */
struct slice refusal_member(struct slice refusal, const char *key)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "\"%s\":", key);
	const char *at = memmem(refusal.data, refusal.len, text, (size_t)len), *p, *end = slice_end(refusal);

	if (!at)
		return (struct slice){0};
	at = p = at + len;
	if (p < end && *p == '"') {
		for (p++; p < end && *p != '"'; p++)
			if (*p == '\\')
				p++;
		return p < end ? (struct slice){at, (size_t)(p + 1 - at)} : (struct slice){0};
	}
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return (struct slice){at, (size_t)(p - at)};
}
