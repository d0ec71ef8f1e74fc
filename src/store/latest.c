#include "store/latest.h"

#include <string.h>

uint64_t latest_raise(line_time *time_of, struct slice lines, uint64_t *latest)
{
	size_t end = lines.len; /* behind a newline */
	uint64_t n = 0;

	/* From the last one back: times mostly grow, so that few of the others have to be looked at closely.
	 */
	for (; end > 0; n++) {
		const char *before = memrchr(lines.data, '\n', end - 1);
		size_t begin = before ? (size_t)(before - lines.data) + 1 : 0;
		uint64_t time;
		if (time_of((struct slice){lines.data + begin, end - 1 - begin}, *latest + 1, &time))
			*latest = time;
		end = begin;
	}
	return n;
}

bool latest_find(line_time *time_of, struct slice lines, uint64_t after, size_t *ret_at, uint64_t *ret_lines)
{
	uint64_t time;

	*ret_lines = 0;
	for (size_t at = 0; at < lines.len; (*ret_lines)++) {
		const char *newline = memchr(lines.data + at, '\n', lines.len - at);
		size_t len = (size_t)(newline - (lines.data + at));
		*ret_at = at;
		if (time_of((struct slice){lines.data + at, len}, after, &time))
			return true;
		at += len + 1;
	}
	return false;
}
