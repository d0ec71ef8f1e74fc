/* Reading JSON text that was checked before: it is one value, and what is in it is well-formed. */
#include "model/host/jq/text.h"

#include "base/json.h"

static const char *read_value(const char *at, const char *end, struct val *ret);

static const char *string_end(const char *at, bool *ret_plain)
{
	bool plain = true;

	for (; *at != '"'; at++)
		if (*at == '\\') {
			plain = false;
			at++;
		}
	*ret_plain = plain;
	return at;
}

/* `at` is behind the opening quote. */
static const char *read_string(const char *at, struct val *ret)
{
	bool plain;
	const char *end = string_end(at, &plain);

	if (likely(plain)) {
		*ret = val_string(at, (size_t)(end - at));
		return end + 1;
	}
	struct slice raw = {at - 1, (size_t)(end - at) + 2};
	struct val_string *s = val_string_sized("", 0, raw.len);
	long n = json_decode(raw, s->data);
	s->len = n < 0 ? 0 : (uint32_t)n;
	s->data[s->len] = 0;
	*ret = (struct val){.kind = VAL_STRING, .u.string = s};
	return end + 1;
}

static inline bool in_number(char c)
{
	return (unsigned char)(c - '0') < 10 || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

static const char *read_number(const char *at, const char *end, struct val *ret)
{
	const char *begin = at;
	bool minus = *at == '-';
	uint64_t n = 0;
	double number;

	for (at += minus; at < end && (unsigned char)(*at - '0') < 10 && at - begin < 16; at++)
		n = n * 10 + (unsigned)(*at - '0');
	if (likely(at == end || !in_number(*at))) {
		*ret = val_number(minus ? -(double)n : (double)n);
		return at;
	}
	while (at < end && in_number(*at))
		at++;
	if (!json_to_double((struct slice){begin, (size_t)(at - begin)}, &number))
		number = 0;
	*ret = val_number(number);
	return at;
}

static const char *read_array(const char *at, const char *end, struct val *ret)
{
	struct val array = val_array(4), v;

	at = json_skip_space(at, end);
	if (*at == ']') {
		*ret = array;
		return at + 1;
	}
	for (;; at++) {
		at = json_skip_space(read_value(json_skip_space(at, end), end, &v), end);
		array = val_push(array, v);
		if (*at == ']')
			break;
	}
	*ret = array;
	return at + 1;
}

static const char *read_object(const char *at, const char *end, struct val *ret)
{
	struct val object = val_object(4), key, v;

	at = json_skip_space(at, end);
	if (*at == '}') {
		*ret = object;
		return at + 1;
	}
	for (;; at++) {
		at = json_skip_space(at, end);
		at = json_skip_space(read_string(at + 1, &key), end);
		at = json_skip_space(read_value(json_skip_space(at + 1, end), end, &v), end);
		object = val_set(object, key, v);
		if (*at == '}')
			break;
	}
	*ret = object;
	return at + 1;
}

static const char *read_value(const char *at, const char *end, struct val *ret)
{
	switch (*at) {
	case '"':
		return read_string(at + 1, ret);
	case '{':
		return read_object(at + 1, end, ret);
	case '[':
		return read_array(at + 1, end, ret);
	case 't':
		*ret = VAL(VAL_TRUE);
		return at + 4;
	case 'f':
		*ret = VAL(VAL_FALSE);
		return at + 5;
	case 'n':
		*ret = VAL(VAL_NULL);
		return at + 4;
	default:
		return read_number(at, end, ret);
	}
}

struct val val_read(struct slice checked)
{
	const char *end = checked.data + checked.len;
	struct val v;

	read_value(json_skip_space(checked.data, end), end, &v);
	return v;
}
