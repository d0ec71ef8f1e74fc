#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/json_special.h"
#include "base/utf8.h"

_Static_assert(ENOMEM == 12, "buf_error() spells it out to keep errno.h out of the header");

void buf_deinit(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

int buf_grow(struct buf *b, size_t more)
{
	if (b->failed)
		return -ENOMEM;
	size_t need = b->len + more;
	size_t cap = max(need, b->cap + b->cap / 2);
	cap = max(cap, (size_t)64);
	char *data = need < more ? NULL : b->grow ? b->grow(b, need, &cap) : realloc(b->data, cap);
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

/* Two digits at a time: most of a large state is numbers and short strings. */
void buf_add_u64(struct buf *b, uint64_t value)
{
	static const char pairs[] =
	    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
	    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
	    "8081828384858687888990919293949596979899";
	char digits[20];
	size_t at = sizeof(digits);

	for (; value >= 100; value /= 100)
		memcpy(digits + (at -= 2), pairs + 2 * (value % 100), 2);
	if (value >= 10)
		memcpy(digits + (at -= 2), pairs + 2 * value, 2);
	else
		digits[--at] = (char)('0' + value);
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

static void add_escaped(struct buf *b, unsigned char c)
{
	static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";

	for (const char *s = shorts; *s; s += 2) {
		if ((unsigned char)s[0] != c)
			continue;
		buf_add_char(b, '\\');
		return buf_add_char(b, s[1]);
	}
	if (c < 0x20)
		buf_printf(b, "\\u%04x", c);
	else
		buf_add_str(b, "\xef\xbf\xbd");
}

void buf_add_json(struct buf *b, struct slice s)
{
	const char *at = s.data, *end = slice_end(s), *from = at;
	size_t n;

	buf_add_char(b, '"');
	while ((at = json_special(at, end)) < end) {
		/* Where a text isn't ASCII, one such character comes after the other. */
		while (at < end && (unsigned char)*at >= 0x80 &&
		       (n = utf8_length(at, (size_t)(end - at))) > 0)
			at += n;
		if (at == end || ((unsigned char)*at < 0x80 && json_special(at, at + 1) > at))
			continue;
		buf_add(b, from, (size_t)(at - from));
		add_escaped(b, (unsigned char)*at);
		from = ++at;
	}
	buf_add(b, from, (size_t)(end - from));
	buf_add_char(b, '"');
}

void buf_drop(struct buf *b, size_t n)
{
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}
