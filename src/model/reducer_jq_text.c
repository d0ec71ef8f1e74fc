#include "model/reducer_jq_text.h"

#include <errno.h>
#include <math.h>

static int must_check add_value(struct buf *out, jv value, int level);

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

static void add_string(struct buf *out, jv string)
{
	const char *p = jv_string_value(string), *end = p + jv_string_length_bytes(jv_copy(string)),
		   *from = p;

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

static void add_number(struct buf *out, jv value)
{
	double number = jv_number_value(value);

	if (fabs(number) < 1e15 && number == (double)(int64_t)number && !(number == 0 && signbit(number))) {
		buf_add_i64(out, (int64_t)number);
		return;
	}
	jv text = jv_dump_string(jv_copy(value), 0);
	buf_add_str(out, jv_string_value(text));
	jv_free(text);
}

static int must_check add_array(struct buf *out, jv array, int level)
{
	int n = jv_array_length(jv_copy(array)), err = 0;

	buf_add_char(out, '[');
	for (int i = 0; i < n && !err; i++) {
		jv value = jv_array_get(jv_copy(array), i);

		if (i > 0)
			buf_add_char(out, ',');
		err = add_value(out, value, level + 1);
		jv_free(value);
	}
	buf_add_char(out, ']');
	return err;
}

static int must_check add_object(struct buf *out, jv object, int level)
{
	int err = 0;
	bool first = true;

	buf_add_char(out, '{');
	for (int i = jv_object_iter(object); !err && jv_object_iter_valid(object, i);
	     i = jv_object_iter_next(object, i)) {
		jv key = jv_object_iter_key(object, i), value = jv_object_iter_value(object, i);

		if (!first)
			buf_add_char(out, ',');
		first = false;
		add_string(out, key);
		buf_add_char(out, ':');
		err = add_value(out, value, level + 1);
		jv_free(key);
		jv_free(value);
	}
	buf_add_char(out, '}');
	return err;
}

static int must_check add_value(struct buf *out, jv value, int level)
{
	switch (jv_get_kind(value)) {
	case JV_KIND_TRUE:
		buf_add_str(out, "true");
		return 0;
	case JV_KIND_FALSE:
		buf_add_str(out, "false");
		return 0;
	case JV_KIND_NUMBER:
		add_number(out, value);
		return 0;
	case JV_KIND_STRING:
		add_string(out, value);
		return 0;
	case JV_KIND_ARRAY:
		return level == JQ_DEPTH ? -E2BIG : add_array(out, value, level);
	case JV_KIND_OBJECT:
		return level == JQ_DEPTH ? -E2BIG : add_object(out, value, level);
	default:
		buf_add_str(out, "null");
		return 0;
	}
}

int reducer_jq_text(struct buf *out, jv value)
{
	int err = add_value(out, value, 0);

	return err ? err : buf_error(out);
}

static bool is_json(jv value, int level)
{
	bool good = true;

	if (jv_get_kind(value) == JV_KIND_NUMBER)
		return isfinite(jv_number_value(value));
	if (level > JQ_DEPTH)
		return true;
	if (jv_get_kind(value) == JV_KIND_ARRAY) {
		jv_array_foreach(value, i, member)
		{
			good = good && is_json(member, level + 1);
			jv_free(member);
		}
	} else if (jv_get_kind(value) == JV_KIND_OBJECT) {
		jv_object_foreach(value, key, member)
		{
			good = good && is_json(member, level + 1);
			jv_free(key);
			jv_free(member);
		}
	}
	return good;
}

bool reducer_jq_is_json(jv value)
{
	return is_json(value, 0);
}
