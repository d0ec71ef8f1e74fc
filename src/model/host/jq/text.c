#include "model/host/jq/text.h"

#include <errno.h>
#include <jv.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "model/host/jq/bridge.h"

/* Where the text goes, and when it is enough. */
struct writing {
	struct buf *out;
	size_t most;
	bool strict; /* what is too deep is an error */
	bool too_deep;
};

static void add_value(struct writing *w, struct val v, int level);

static void add_escape(struct buf *out, unsigned char c)
{
	static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

	if (c == '"' || c == '\\') {
		buf_add_char(out, '\\');
		buf_add_char(out, (char)c);
	} else if (c < sizeof(letters) && letters[c]) {
		buf_add_char(out, '\\');
		buf_add_char(out, letters[c]);
	} else {
		buf_printf(out, "\\u%04x", c);
	}
}

static void add_string(struct buf *out, struct slice s)
{
	const char *p = s.data, *end = p + s.len, *from = p;

	buf_add_char(out, '"');
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;

		if (likely(c >= 0x20 && c != '"' && c != '\\' && c != 0x7f))
			continue;
		buf_add(out, from, (size_t)(p - from));
		add_escape(out, c);
		from = p + 1;
	}
	buf_add(out, from, (size_t)(end - from));
	buf_add_char(out, '"');
}

static void add_number(struct buf *out, double number)
{
	if (fabs(number) < 1e15 && number == (double)(int64_t)number && !(number == 0 && signbit(number))) {
		buf_add_i64(out, (int64_t)number);
		return;
	}
	jv text = jv_dump_string(jv_number(number), 0);
	buf_add_str(out, jv_string_value(text));
	jv_free(text);
}

static void add_array(struct writing *w, struct val array, int level)
{
	buf_add_char(w->out, '[');
	for (uint32_t i = 0; i < val_length(array) && w->out->len < w->most; i++) {
		if (i > 0)
			buf_add_char(w->out, ',');
		add_value(w, *val_at(array, i), level + 1);
	}
	buf_add_char(w->out, ']');
}

static void add_object(struct writing *w, const struct val_object *object, int level)
{
	bool first = true;
	uint32_t i = 0;

	buf_add_char(w->out, '{');
	for (struct val_member *m; w->out->len < w->most && (m = val_next(object, &i));) {
		if (!first)
			buf_add_char(w->out, ',');
		first = false;
		add_string(w->out, val_member_name(m));
		buf_add_char(w->out, ':');
		add_value(w, m->value, level + 1);
	}
	buf_add_char(w->out, '}');
}

static void add_value(struct writing *w, struct val v, int level)
{
	if (unlikely(level > JQ_DEPTH)) {
		buf_add_str(w->out, "<stripped: exceeds max depth>");
		w->too_deep = true;
		return;
	}
	switch (v.kind) {
	case VAL_TRUE:
		buf_add_str(w->out, "true");
		return;
	case VAL_FALSE:
		buf_add_str(w->out, "false");
		return;
	case VAL_NUMBER:
		add_number(w->out, v.u.number);
		return;
	case VAL_STRING:
		add_string(w->out, val_slice(v));
		return;
	case VAL_ARRAY:
		w->too_deep |= level == JQ_DEPTH;
		add_array(w, v, level);
		return;
	case VAL_OBJECT:
		w->too_deep |= level == JQ_DEPTH;
		add_object(w, v.u.object, level);
		return;
	default:
		buf_add_str(w->out, "null");
	}
}

int val_write(struct buf *out, struct val v)
{
	struct writing w = {.out = out, .most = SIZE_MAX};

	add_value(&w, v, 0);
	return w.too_deep ? -E2BIG : buf_error(out);
}

struct val val_dump(struct val v)
{
	auto_buf struct buf text = {0};
	struct writing w = {.out = &text, .most = SIZE_MAX};

	add_value(&w, v, 0);
	val_free(v);
	if (text.failed)
		val_alloc(SIZE_MAX / 2);
	return val_string(text.data, text.len);
}

void val_dump_begin(struct val v, char *out, size_t size)
{
	auto_buf struct buf text = {0};
	struct writing w = {.out = &text, .most = size};

	add_value(&w, v, 0);
	size_t n = min(text.len, size - 1);
	memcpy(out, text.data ? text.data : "", n);
	out[n] = 0;
	if (text.len > size - 1)
		memcpy(out + size - 4, "...", 3);
}

struct val val_message(const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return val_of_jv(jv_string_sized(text, min(n, (int)sizeof(text) - 1)));
}
