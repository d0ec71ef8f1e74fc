/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once

#include <stddef.h>

/* Length of the sequence of 2 to 4 bytes at `at`, of which `left` bytes exist; 0: not UTF-8. The
 * first byte is 0x80 or more. */
static inline size_t utf8_length(const char *at, size_t left)
{
	const unsigned char *p = (const unsigned char *)at;

#define tail(i) ((p[i] & 0xc0) == 0x80)
	if (p[0] < 0xc2)
		return 0;
	if (p[0] < 0xe0)
		return left >= 2 && tail(1) ? 2 : 0;
	if (p[0] < 0xf0) {
		if (left < 3 || !tail(1) || !tail(2))
			return 0;
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0))
			return 0;
		return 3;
	}
	if (p[0] > 0xf4 || left < 4 || !tail(1) || !tail(2) || !tail(3))
		return 0;
	if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return 4;
#undef tail
}

/* The text's length without a last character that was cut off; what is not UTF-8 stays. */
static inline size_t utf8_whole(const char *text, size_t len)
{
	size_t tail = 0;

	while (tail < 3 && tail < len && ((unsigned char)text[len - 1 - tail] & 0xc0) == 0x80)
		tail++;
	if (tail == len)
		return len;
	unsigned char lead = (unsigned char)text[len - 1 - tail];
	size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	return tail + 1 < want ? len - 1 - tail : len;
}
