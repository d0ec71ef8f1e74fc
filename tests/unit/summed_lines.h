/* Lines that say their own checksum, so that what a power cut makes of them is no event. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "base/slice.h"

static inline unsigned line_sum(const char *text, size_t len)
{
	unsigned sum = 7;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + (unsigned char)text[i];
	return sum;
}

/* One with a number and so many dashes (90 at most); how long it is. */
static inline size_t summed_line(unsigned number, unsigned dashes, char *out)
{
	char body[256];
	int len = snprintf(
	    body, sizeof(body), "event %u %.*s", number, (int)dashes,
	    "--------------------------------------------------------------------------------------------");

	return (size_t)sprintf(out, "%08x %s\n", line_sum(body, (size_t)len), body);
}

static inline bool is_summed(void *arg, struct slice line)
{
	char sum[9];

	if (line.len < 15)
		return false;
	snprintf(sum, sizeof(sum), "%08x", line_sum(line.data + 9, line.len - 9));
	return memcmp(sum, line.data, 8) == 0 && line.data[8] == ' ';
}
