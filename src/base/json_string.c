/* Strings of JSON: their check, and what they mean. */
#include "base/hex.h"
#include "base/json_impl.h"
#include "base/utf8.h"

static int hex4(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(at[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

/* `at` is behind "\u". The code point, and the place behind it; -1: no four digits, -2: half a surrogate
 * pair. */
static long scan_unicode(const char **at, const char *end)
{
	int high = hex4(*at, end);

	if (high < 0)
		return -1;
	*at += 4;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return -2;
	int low = hex4(*at + 2, end);
	if (low < 0xdc00 || low > 0xdfff)
		return -2;
	*at += 6;
	return 0x10000 + ((long)(high - 0xd800) << 10) + (low - 0xdc00);
}

static const char *scan_escape(const char *at, const char *end, struct json_fault *ret)
{
	const char *begin = at++;

	if (at == end)
		return json_fault_at(ret, at, "a string without its end");
	switch (*at) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return at + 1;
	case 'u':
		at++;
		switch (scan_unicode(&at, end)) {
		case -1:
			return json_fault_at(ret, begin, "\\u without four hexadecimal digits");
		case -2:
			return json_fault_at(ret, begin, "half of a surrogate pair");
		default:
			return at;
		}
	default:
		return json_fault_at(ret, begin, "an unknown escape in a string");
	}
}

const char *json_scan_string_rest(const char *at, const char *end, bool *ret_plain, struct json_fault *ret)
{
	for (;; at = json_special(at, end)) {
		if (at == end)
			return json_fault_at(ret, at, "a string without its end");
		if (*at == '"')
			return at + 1;
		if (*at == '\\') {
			*ret_plain = false;
			at = scan_escape(at, end, ret);
			if (!at)
				return NULL;
			continue;
		}
		if ((unsigned char)*at < 0x20)
			return json_fault_at(ret, at, "a control character in a string");
		/* Where a text isn't ASCII, one such character comes after the other. */
		do {
			size_t n = utf8_length(at, (size_t)(end - at));
			if (n == 0)
				return json_fault_at(ret, at, "not valid UTF-8");
			at += n;
		} while (at < end && (unsigned char)*at >= 0x80);
	}
}

const char *json_scan_string(const char *at, const char *end, bool *ret_plain, struct json_fault *ret)
{
	return json_scan_short_string(at, end, ret_plain, ret);
}

static char *add_utf8(char *out, unsigned long c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

int json_decode_one(const char **at, const char *end, char *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *p = *at;

	if (*p != '\\' || end - p < 2) {
		*out = *p;
		*at = p + 1;
		return 1;
	}
	*at = p + 2;
	if (p[1] == 'u') {
		long c = scan_unicode(at, end);
		return c < 0 ? -1 : (int)(add_utf8(out, (unsigned long)c) - out);
	}
	const char *found = memchr(from, p[1], sizeof(from) - 1);
	*out = found ? to[found - from] : p[1];
	return 1;
}

long json_decode(struct slice raw, char *out)
{
	if (raw.len < 2 || raw.data[0] != '"')
		return -1;
	const char *at = raw.data + 1, *end = raw.data + raw.len - 1;
	char *begin = out;
	while (at < end) {
		const char *plain = at;
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		at = escape ? escape : end;
		memcpy(out, plain, (size_t)(at - plain));
		out += at - plain;
		if (at == end)
			break;
		/* The escape goes through a room of its own: near the end `out` has just what the decoded
		 * form needs. */
		char one[4];
		int n = json_decode_one(&at, end, one);
		if (n < 0)
			return -1;
		memcpy(out, one, (size_t)n);
		out += n;
	}
	return out - begin;
}
