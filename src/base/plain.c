#include "base/plain.h"

#include <stdint.h>
#include <stdio.h>

#include "base/utf8.h"

#define CUT "\xe2\x80\xa6"
#define UNKNOWN "\xef\xbf\xbd"

static uint32_t decode(const unsigned char *p, size_t len)
{
	uint32_t c = len == 2 ? p[0] & 0x1fu : len == 3 ? p[0] & 0x0fu : p[0] & 0x07u;

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

static bool is_shown(uint32_t c)
{
	bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
	bool separator = c == 0x2028 || c == 0x2029;
	bool direction =
	    c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);

	return !control && !separator && !direction;
}

/* The next character, at most 6 bytes; *ret_taken is how much of the text it stood in. */
static size_t next(struct slice text, char *out, size_t *ret_taken)
{
	const unsigned char *p = (const unsigned char *)text.data;
	size_t len = p[0] < 0x80 ? 1 : utf8_length(text.data, text.len);
	uint32_t c = len == 1 ? p[0] : len ? decode(p, len) : 0;

	*ret_taken = len ? len : 1;
	if (len && is_shown(c)) {
		memcpy(out, text.data, len);
		return len;
	}
	if (len == 1 && (c == '\t' || c == '\n' || c == '\r')) {
		*out = ' ';
		return 1;
	}
	if (len)
		return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)c);
	memcpy(out, UNKNOWN, strlen(UNKNOWN));
	return strlen(UNKNOWN);
}

size_t plain_text(char *out, size_t size, struct slice text, bool is_cut)
{
	size_t n = 0, room = size - 1 - strlen(CUT), fits = 0, taken;
	char one[8];

	size_t whole = utf8_whole(text.data, text.len);
	if (whole < text.len) {
		is_cut = true;
		text.len = whole;
	}
	while (text.len > 0) {
		size_t len = next(text, one, &taken);
		if (n + len > size - 1)
			break;
		memcpy(out + n, one, len);
		n += len;
		/* As far as this, there is room for the mark as well. */
		if (n <= room)
			fits = n;
		text.data += taken;
		text.len -= taken;
	}
	if (text.len > 0 || is_cut) {
		memcpy(out + fits, CUT, strlen(CUT));
		n = fits + strlen(CUT);
	}
	out[n] = '\0';
	return n;
}
