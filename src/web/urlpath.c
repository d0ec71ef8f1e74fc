#include "web/urlpath.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of the name, or -EINVAL. */
static int next(const char **at)
{
	const char *p = *at;
	int c = (unsigned char)*p;

	if (c == '%') {
		int high = hex(p[1]), low = high < 0 ? -1 : hex(p[2]);

		if (low < 0)
			return -EINVAL;
		c = high << 4 | low;
		p += 2;
		if (c == '/')
			return -EINVAL;
	}
	*at = p + 1;
	return c < 0x20 || c == 0x7f || c == '\\' ? -EINVAL : c;
}

static bool is_plain(const char *part, size_t len)
{
	return len > 0 && !(len == 1 && part[0] == '.') && !(len == 2 && part[0] == '.' && part[1] == '.');
}

int urlpath_decode(const char *url, char *out, size_t size)
{
	size_t n = 0, part = 0;

	if (*url == '/')
		url++;
	while (*url) {
		int c = next(&url);

		if (c < 0)
			return c;
		if (n + 1 >= size)
			return -ENAMETOOLONG;
		if (c == '/') {
			if (!is_plain(out + part, n - part))
				return -EINVAL;
			if (!*url)
				break;
			part = n + 1;
		}
		out[n++] = (char)c;
	}
	out[n] = 0;
	return n > 0 && !is_plain(out + part, n - part) ? -EINVAL : 0;
}
