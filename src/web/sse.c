#include "web/sse.h"

/* What was added last. */
static void blank_returns(struct buf *out, size_t len)
{
	char *at = out->data + out->len - len, *end = out->data + out->len;

	while ((at = memchr(at, '\r', (size_t)(end - at))))
		*at = ' ';
}

void sse_add(struct sse *s, const char *data, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len;) {
		const char *end = memchr(data + i, '\n', len - i);
		size_t n = end ? (size_t)(end - data) - i : len - i;

		if (!s->is_inside)
			buf_add_str(out, "data: ");
		s->is_inside = !end;
		buf_add(out, data + i, n);
		if (out->failed)
			return;
		if (n > 0)
			blank_returns(out, n);
		i += n + (end ? 1 : 0);
		if (end)
			buf_printf(out, "\nid: %llu\n\n", (unsigned long long)(s->off + i));
	}
	s->off += len;
}
