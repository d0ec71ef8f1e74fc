#include "web/urlpath.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/hex.h"

/* The next byte of a name, or -EINVAL. */
static int next(const char **at)
{
	bool is_written = **at == '%';
	int c = percent_next(at);

	if (c == '/' && is_written)
		return -EINVAL;
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

int urlpath_decode_value(const char *text, struct buf *out)
{
	while (*text) {
		int c = percent_next(&text);

		if (c < 0)
			return -EINVAL;
		buf_add_char(out, (char)c);
	}
	return buf_error(out);
}
