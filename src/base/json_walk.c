/* Walking over text that has passed the check, and finding things in it. */
#include "base/json_impl.h"

/* Behind the string whose opening quote is at `at`. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end;) {
		at = json_special(at, end);
		if (at >= end)
			break;
		if (*at == '"')
			return at + 1;
		at += *at == '\\' && end - at >= 2 ? 2 : 1;
	}
	return end;
}

static inline bool ends_word(char c)
{
	return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == 0;
}

const char *json_skip(const char *at, const char *end)
{
	size_t depth = 0;

	while (at < end) {
		switch (*at) {
		case '"':
			at = skip_string(at, end);
			break;
		case '{':
		case '[':
			depth++;
			at++;
			continue;
		case '}':
		case ']':
			if (depth == 0)
				return at;
			depth--;
			at++;
			break;
		default:
			/* A word or number ends where one of these begins; between values they are passed
			 * over. */
			if (depth == 0) {
				while (at < end && !ends_word(*at))
					at++;
				return at;
			}
			at++;
			continue;
		}
		if (depth == 0)
			return at;
	}
	return end;
}

struct json_iter json_iterate(struct slice raw)
{
	if (raw.len == 0)
		return (struct json_iter){0};
	const char *end = slice_end(raw);
	const char *at = json_skip_space(raw.data, end);
	/* `at` stands on the bracket or comma before the next member. */
	if (at == end || (*at != '{' && *at != '['))
		at = end;
	return (struct json_iter){at, end};
}

bool json_next(struct json_iter *it, struct slice *ret_key, struct slice *ret_value)
{
	const char *at = it->at, *end = it->end;

	if (at >= end || (*at != '{' && *at != '[' && *at != ','))
		return false;
	bool first = *at != ',';
	at = json_skip_space(at + 1, end);
	if (at >= end || (first && (*at == '}' || *at == ']')))
		return false;
	struct slice key = {0};
	const char *value = at;
	if (*at == '"') {
		/* A string and a colon is a key, a string alone an element. */
		const char *behind = skip_string(at, end);
		const char *colon = json_skip_space(behind, end);
		if (colon < end && *colon == ':') {
			key = (struct slice){at + 1, (size_t)(behind - at) - 2};
			value = json_skip_space(colon + 1, end);
		}
	}
	at = json_skip(value, end);
	*ret_key = key;
	*ret_value = (struct slice){value, (size_t)(at - value)};
	it->at = json_skip_space(at, end);
	return true;
}

/* Is the raw key (without quotes) the token of a pointer? Either may have escapes, each of its own kind. */
static bool key_is(struct slice key, const char *token, const char *token_end)
{
	const char *at = key.data, *end = slice_end(key);
	char one[4];

	while (at < end) {
		int n = json_decode_one(&at, end, one);
		if (n < 0)
			return false;
		for (int i = 0; i < n; i++, token++) {
			if (token == token_end)
				return false;
			char c = *token;
			if (c == '~' && token + 1 < token_end)
				c = *++token == '0' ? '~' : '/';
			if (one[i] != c)
				return false;
		}
	}
	return token == token_end;
}

static bool find_element(struct slice raw, const char *token, const char *token_end, struct slice *ret)
{
	struct json_iter it = json_iterate(raw);
	struct slice key;
	uint64_t index;

	if (!json_to_uint64((struct slice){token, (size_t)(token_end - token)}, &index))
		return false;
	while (json_next(&it, &key, ret))
		if (index-- == 0)
			return true;
	return false;
}

static bool find_member(struct slice raw, const char *token, const char *token_end, struct slice *ret)
{
	struct json_iter it = json_iterate(raw);
	struct slice key, value;
	bool found = false;

	while (json_next(&it, &key, &value)) {
		if (key.data && key_is(key, token, token_end)) {
			*ret = value;
			found = true;
		}
	}
	return found;
}

bool json_find(struct slice raw, const char *pointer, struct slice *ret)
{
	while (*pointer == '/') {
		const char *token = pointer + 1, *token_end = strchrnul(token, '/');
		const char *end = slice_end(raw), *begin = json_skip_space(raw.data, end);
		bool array = begin < end && *begin == '[';
		if (!(array ? find_element : find_member)(raw, token, token_end, &raw))
			return false;
		pointer = token_end;
	}
	if (*pointer != '\0')
		return false;
	*ret = raw;
	return true;
}
