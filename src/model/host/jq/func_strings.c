/* Functions of strings. */
#include "model/host/jq/functions.h"

#include <jv.h>

#include "model/host/jq/bridge.h"
#include "model/host/jq/text.h"

struct val f_utf8bytelength(struct run *m, struct val *a)
{
	if (a[0].kind != VAL_STRING)
		return fail_kind(m, a[0], "only strings have UTF-8 byte length");
	double n = a[0].u.string->len;
	val_free(a[0]);
	return val_number(n);
}

struct val f_tostring(struct run *m, struct val *a)
{
	return a[0].kind == VAL_STRING ? a[0] : val_dump(a[0]);
}

struct val f_tojson(struct run *m, struct val *a)
{
	return val_dump(a[0]);
}

/* What libjq reads: a value, nothing, or an error. */
static struct val parsed(struct run *m, jv j)
{
	if (jv_is_valid(j) || !jv_invalid_has_msg(jv_copy(j))) {
		struct val v = val_of_jv(j);
		if (v.kind >= VAL_NUMBER)
			m->odd = true; /* it reads nan */
		return v;
	}
	return fail_value(m, val_of_jv(jv_invalid_get_msg(j)));
}

struct val f_fromjson(struct run *m, struct val *a)
{
	if (a[0].kind != VAL_STRING)
		return fail_kind(m, a[0], "only strings can be parsed");
	jv j = jv_parse_sized(a[0].u.string->data, (int)a[0].u.string->len);
	val_free(a[0]);
	return parsed(m, j);
}

/* A few digits and nothing else. */
static bool plain_digits(const struct val_string *s, double *ret)
{
	bool minus = s->len > 1 && s->data[0] == '-';
	uint64_t n = 0;

	if (s->len == 0 || s->len > 15)
		return false;
	for (uint32_t i = minus; i < s->len; i++) {
		if (s->data[i] < '0' || s->data[i] > '9')
			return false;
		n = n * 10 + (unsigned)(s->data[i] - '0');
	}
	*ret = minus ? -(double)n : (double)n;
	return true;
}

struct val f_tonumber(struct run *m, struct val *a)
{
	double number;

	if (a[0].kind == VAL_NUMBER)
		return a[0];
	if (a[0].kind == VAL_STRING) {
		if (plain_digits(a[0].u.string, &number)) {
			val_free(a[0]);
			return val_number(number);
		}
		jv j = jv_parse(a[0].u.string->data);
		if (!jv_is_valid(j) || jv_get_kind(j) == JV_KIND_NUMBER) {
			val_free(a[0]);
			return parsed(m, j);
		}
		jv_free(j);
	}
	return fail_kind(m, a[0], "cannot be parsed as a number");
}

static bool begins(struct slice s, struct slice with)
{
	return s.len >= with.len && memcmp(s.data, with.data, with.len) == 0;
}

static bool ends(struct slice s, struct slice with)
{
	return s.len >= with.len && memcmp(s.data + s.len - with.len, with.data, with.len) == 0;
}

static bool both_strings(const struct val *a)
{
	return a[0].kind == VAL_STRING && a[1].kind == VAL_STRING;
}

static struct val answer(struct val *a, struct val v)
{
	val_free(a[0]);
	val_free(a[1]);
	return v;
}

struct val f_startswith(struct run *m, struct val *a)
{
	if (!both_strings(a))
		return answer(a, fail_value(m, val_text("startswith() requires string inputs")));
	return answer(a, val_bool(begins(val_slice(a[0]), val_slice(a[1]))));
}

struct val f_endswith(struct run *m, struct val *a)
{
	if (!both_strings(a))
		return answer(a, fail_value(m, val_text("endswith() requires string inputs")));
	return answer(a, val_bool(ends(val_slice(a[0]), val_slice(a[1]))));
}

struct val f_ltrimstr(struct run *m, struct val *a)
{
	if (!both_strings(a) || !begins(val_slice(a[0]), val_slice(a[1])))
		return answer(a, val_copy(a[0]));
	uint32_t cut = a[1].u.string->len;
	return answer(a, val_string(a[0].u.string->data + cut, a[0].u.string->len - cut));
}

struct val f_rtrimstr(struct run *m, struct val *a)
{
	if (!both_strings(a) || !ends(val_slice(a[0]), val_slice(a[1])))
		return answer(a, val_copy(a[0]));
	return answer(a, val_string(a[0].u.string->data, a[0].u.string->len - a[1].u.string->len));
}

struct val f_split(struct run *m, struct val *a)
{
	if (!both_strings(a))
		return answer(a, fail_value(m, val_text("split input and separator must be strings")));
	return split_text(a[0], a[1]);
}

static const char *next_code(const char *at, uint32_t *ret)
{
	unsigned char c = (unsigned char)*at++;
	uint32_t code = c < 0x80 ? c : c < 0xe0 ? c & 0x1f : c < 0xf0 ? c & 0x0f : c & 0x07;

	while (((unsigned char)*at & 0xc0) == 0x80)
		code = code << 6 | ((unsigned char)*at++ & 0x3f);
	*ret = code;
	return at;
}

struct val f_explode(struct run *m, struct val *a)
{
	if (a[0].kind != VAL_STRING) {
		val_free(a[0]);
		return fail_value(m, val_text("explode input must be a string"));
	}
	const struct val_string *s = a[0].u.string;
	struct val codes = val_array(s->len);
	uint32_t code;

	for (const char *at = s->data; at < s->data + s->len;) {
		at = next_code(at, &code);
		codes = val_push(codes, val_number(code));
	}
	val_free(a[0]);
	return codes;
}

static size_t encode(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

struct val f_implode(struct run *m, struct val *a)
{
	if (a[0].kind != VAL_ARRAY) {
		val_free(a[0]);
		return fail_value(m, val_text("implode input must be an array"));
	}
	struct val text = val_string("", 0);
	char bytes[4];

	for (uint32_t i = 0; i < val_length(a[0]); i++) {
		struct val n = *val_at(a[0], i);
		if (n.kind != VAL_NUMBER || n.u.number != n.u.number) {
			val_copy(n);
			val_free(a[0]);
			val_free(text);
			return fail_kind(m, n, "can't be imploded, unicode codepoint needs to be numeric");
		}
		bool is_code = n.u.number > -1 && n.u.number < 0x110000;
		uint32_t code = is_code ? (uint32_t)n.u.number : 0xfffd;
		if (code >= 0xd800 && code < 0xe000)
			code = 0xfffd;
		text = val_append(text, bytes, encode(code, bytes));
	}
	val_free(a[0]);
	return text;
}

/* In bytes, as jq 1.6 has it. */
struct val f_strindices(struct run *m, struct val *a)
{
	if (a[0].kind != VAL_STRING) {
		val_free(a[1]);
		return fail_kind(m, a[0], "cannot be searched, as it is not a string");
	}
	if (a[1].kind != VAL_STRING) {
		val_free(a[0]);
		return fail_kind(m, a[1], "is not a string");
	}
	struct slice s = val_slice(a[0]), what = val_slice(a[1]);
	struct val places = val_array(4);
	const char *end = s.data + s.len, *found = s.data;

	while (what.len > 0 && (found = memmem(found, (size_t)(end - found), what.data, what.len))) {
		places = val_push(places, val_number((double)(found - s.data)));
		found += what.len;
	}
	return answer(a, places);
}

static struct val shifted(struct run *m, struct val text, char from, char to, int by)
{
	if (text.kind != VAL_STRING) {
		val_free(text);
		return fail_value(m, val_text("explode input must be a string"));
	}
	struct val out = val_string(text.u.string->data, text.u.string->len);
	for (char *at = out.u.string->data; at < out.u.string->data + out.u.string->len; at++)
		if (*at >= from && *at <= to)
			*at = (char)(*at + by);
	val_free(text);
	return out;
}

struct val f_downcase(struct run *m, struct val *a)
{
	return shifted(m, a[0], 'A', 'Z', 'a' - 'A');
}

struct val f_upcase(struct run *m, struct val *a)
{
	return shifted(m, a[0], 'a', 'z', 'A' - 'a');
}

static struct val joined(struct run *m, struct val so_far, struct val separator, struct val v)
{
	if (so_far.kind == VAL_NULL)
		so_far = val_string("", 0);
	else
		so_far = binary(m, OP_ADD, so_far, val_copy(separator));
	if (!so_far.kind)
		return so_far;
	if (v.kind == VAL_NULL)
		return so_far;
	return binary(m, OP_ADD, so_far,
		      v.kind == VAL_STRING || v.kind > VAL_STRING ? val_copy(v) : val_dump(v));
}

struct val f_join(struct run *m, struct val *a)
{
	struct val text = VAL(VAL_NULL);
	uint32_t i = 0;

	if (a[0].kind == VAL_ARRAY) {
		for (; text.kind && i < val_length(a[0]); i++)
			text = joined(m, text, a[1], *val_at(a[0], i));
	} else if (a[0].kind == VAL_OBJECT) {
		for (struct val_member *e; text.kind && (e = val_next(a[0].u.object, &i));)
			text = joined(m, text, a[1], e->value);
	} else {
		char shown[15];
		val_dump_begin(a[0], shown, sizeof(shown));
		text = fail_value(
		    m, val_message("Cannot iterate over %s (%s)", val_kind_name(a[0].kind), shown));
	}
	return answer(a, text.kind == VAL_NULL ? val_string("", 0) : text);
}

/* @text and @json are at home, the others are jq's own. */
struct val f_format(struct run *m, struct val *a)
{
	if (!val_is(a[1], "text") && !val_is(a[1], "json"))
		return island_format(m, a);
	bool text = val_is(a[1], "text");
	val_free(a[1]);
	return text ? f_tostring(m, a) : val_dump(a[0]);
}
