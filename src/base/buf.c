#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

_Static_assert(ENOMEM == 12, "buf_error() spells it out to keep errno.h out of the header");

void buf_deinit(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

int buf_reserve(struct buf *b, size_t more)
{
	if (b->failed)
		return -ENOMEM;
	if (more <= b->cap - b->len)
		return 0;
	size_t need = b->len + more;
	size_t cap = max(need, b->cap + b->cap / 2);
	cap = max(cap, (size_t)64);
	char *data = need < more ? NULL : realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return -ENOMEM;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0 || buf_reserve(b, len) < 0)
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.data, s.len);
}

void buf_add_str(struct buf *b, const char *str)
{
	buf_add(b, str, strlen(str));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_add_i64(struct buf *b, int64_t value)
{
	if (value < 0)
		buf_add_char(b, '-');
	buf_add_u64(b, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void buf_add_hex64(struct buf *b, uint64_t value)
{
	char digits[16];

	for (int i = 15; i >= 0; i--, value >>= 4)
		digits[i] = "0123456789abcdef"[value & 15];
	buf_add(b, digits, sizeof(digits));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;

	va_start(args, fmt);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	if (len >= 0 && buf_reserve(b, (size_t)len + 1) == 0) {
		vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	}
	va_end(again);
	va_end(args);
}

void buf_add_json(struct buf *b, struct slice s)
{
	size_t from = 0;

	buf_add_char(b, '"');
	for (size_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.data[i];
		size_t n =
		    c >= 0x80 ? utf8_length(s.data + i, s.len - i) : c >= 0x20 && c != '"' && c != '\\';
		if (n) {
			i += n;
			continue;
		}
		buf_add(b, s.data + from, i - from);
		from = ++i;
		switch (c) {
		case '"':
			buf_add_str(b, "\\\"");
			break;
		case '\\':
			buf_add_str(b, "\\\\");
			break;
		case '\b':
			buf_add_str(b, "\\b");
			break;
		case '\f':
			buf_add_str(b, "\\f");
			break;
		case '\n':
			buf_add_str(b, "\\n");
			break;
		case '\r':
			buf_add_str(b, "\\r");
			break;
		case '\t':
			buf_add_str(b, "\\t");
			break;
		default:
			if (c < 0x20)
				buf_printf(b, "\\u%04x", c);
			else
				buf_add_str(b, "\xef\xbf\xbd");
		}
	}
	buf_add_slice(b, slice_skip(s, from));
	buf_add_char(b, '"');
}

void buf_drop(struct buf *b, size_t n)
{
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}
