/* The check of a whole value. */
#include "base/json_impl.h"

static inline const char *scan_number(const char *at, const char *end, struct json_fault *ret)
{
	const char *begin = at;
	struct json_number n;

	at = json_scan_parts(at + (*at == '-'), end, &n, ret);
	if (unlikely(!at))
		return NULL;
	if (unlikely((n.has_exponent || n.end - n.begin > 300) && !json_number_fits(&n)))
		return json_fault_at(ret, begin, "a number beyond a double's range");
	return at;
}

const char json_too_deep[] = "nested too deep";

static const char *scan_word(const char *at, const char *end, const char *word, size_t len,
			     struct json_fault *ret)
{
	if ((size_t)(end - at) < len || memcmp(at, word, len) != 0)
		return json_fault_at(ret, at, "not a JSON value");
	return at + len;
}

static const char *scan_array(const char *at, const char *end, unsigned depth, struct json_fault *ret)
{
	at = json_skip_space(at + 1, end);
	if (at < end && *at == ']')
		return at + 1;
	for (;;) {
		at = json_scan_value(at, end, depth - 1, ret);
		if (!at)
			return NULL;
		at = json_skip_space(at, end);
		if (at == end || (*at != ',' && *at != ']'))
			return json_fault_at(ret, at, "a comma or ] is missing in an array");
		if (*at == ']')
			return at + 1;
		at = json_skip_space(at + 1, end);
	}
}

static const char *scan_object(const char *at, const char *end, unsigned depth, struct json_fault *ret)
{
	bool plain;

	at = json_skip_space(at + 1, end);
	if (at < end && *at == '}')
		return at + 1;
	for (;;) {
		if (at == end || *at != '"')
			return json_fault_at(ret, at, "a key is missing in an object");
		at = json_scan_short_string(at + 1, end, &plain, ret);
		if (!at)
			return NULL;
		at = json_skip_space(at, end);
		if (at == end || *at != ':')
			return json_fault_at(ret, at, "a colon is missing behind a key");
		at = json_scan_value(json_skip_space(at + 1, end), end, depth - 1, ret);
		if (!at)
			return NULL;
		at = json_skip_space(at, end);
		if (at == end || (*at != ',' && *at != '}'))
			return json_fault_at(ret, at, "a comma or } is missing in an object");
		if (*at == '}')
			return at + 1;
		at = json_skip_space(at + 1, end);
	}
}

const char *json_scan_value(const char *at, const char *end, unsigned depth, struct json_fault *ret)
{
	bool plain;

	if (at == end)
		return json_fault_at(ret, at, "a value is missing");
	switch (*at) {
	case '"':
		return json_scan_short_string(at + 1, end, &plain, ret);
	case '{':
		return depth ? scan_object(at, end, depth, ret) : json_fault_at(ret, at, json_too_deep);
	case '[':
		return depth ? scan_array(at, end, depth, ret) : json_fault_at(ret, at, json_too_deep);
	case 't':
		return scan_word(at, end, "true", 4, ret);
	case 'f':
		return scan_word(at, end, "false", 5, ret);
	case 'n':
		return scan_word(at, end, "null", 4, ret);
	default:
		if (*at == '-' || json_is_digit(*at))
			return scan_number(at, end, ret);
		return json_fault_at(ret, at, "not a JSON value");
	}
}

bool json_check(struct slice text, unsigned depth, struct json_error *ret_error)
{
	const char *end = slice_end(text);
	struct json_fault f;

	const char *at = json_scan_value(json_skip_space(text.data, end), end, depth, &f);
	if (at) {
		at = json_skip_space(at, end);
		if (at == end)
			return true;
		json_fault_at(&f, at, "something follows the value");
	}
	*ret_error = (struct json_error){f.why, (size_t)(f.at - text.data)};
	return false;
}
