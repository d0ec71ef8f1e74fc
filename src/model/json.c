#include "model/json.h"

#include <math.h>
#include <stdio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf8.h"

static const char *fault(struct json_fault *ret, const char *at, const char *why)
{
	*ret = (struct json_fault){why, at};
	return NULL;
}

/* Strings */

/* The next byte from `at` on that ends a string or needs a closer look: quote, backslash, control, not ASCII. */
static inline const char *next_special(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
		      control = _mm_set1_epi8(0x1f);

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i found = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
		found = _mm_or_si128(found, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
		/* The sign bit of a byte is what makes it not ASCII. */
		int mask = _mm_movemask_epi8(_mm_or_si128(found, v));
		if (mask)
			return at + __builtin_ctz((unsigned)mask);
	}
#endif
	while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20 &&
	       (unsigned char)*at < 0x80)
		at++;
	return at;
}

static int hex4(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = (unsigned char)at[i];
		int digit = c >= '0' && c <= '9'                 ? c - '0'
			    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
								 : -1;
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

/* `at` is behind "\u". The code point, and the place behind it; -1: no four digits, -2: half a surrogate pair. */
static long scan_unicode(const char **at, const char *end)
{
	int high = hex4(*at, end);

	if (high < 0)
		return -1;
	*at += 4;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return -2;
	int low = hex4(*at + 2, end);
	if (low < 0xdc00 || low > 0xdfff)
		return -2;
	*at += 6;
	return 0x10000 + ((long)(high - 0xd800) << 10) + (low - 0xdc00);
}

static const char *scan_escape(const char *at, const char *end, struct json_fault *ret)
{
	const char *begin = at++;

	if (at == end)
		return fault(ret, at, "a string without its end");
	switch (*at) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return at + 1;
	case 'u':
		at++;
		switch (scan_unicode(&at, end)) {
		case -1:
			return fault(ret, begin, "\\u without four hexadecimal digits");
		case -2:
			return fault(ret, begin, "half of a surrogate pair");
		default:
			return at;
		}
	default:
		return fault(ret, begin, "an unknown escape in a string");
	}
}

/* From a byte that next_special() has stopped at. */
static __attribute__((noinline)) const char *scan_string_rest(const char *at, const char *end,
							      bool *ret_plain, struct json_fault *ret)
{
	for (;; at = next_special(at, end)) {
		if (at == end)
			return fault(ret, at, "a string without its end");
		if (*at == '"')
			return at + 1;
		if (*at == '\\') {
			*ret_plain = false;
			at = scan_escape(at, end, ret);
			if (!at)
				return NULL;
			continue;
		}
		if ((unsigned char)*at < 0x20)
			return fault(ret, at, "a control character in a string");
		/* Where a text isn't ASCII, one such character comes after the other. */
		do {
			size_t n = utf8_length(at, (size_t)(end - at));
			if (n == 0)
				return fault(ret, at, "not valid UTF-8");
			at += n;
		} while (at < end && (unsigned char)*at >= 0x80);
	}
}

/* Most strings are a few plain characters: for those there is no call. */
static inline const char *scan_string(const char *at, const char *end, bool *ret_plain,
				      struct json_fault *ret)
{
	*ret_plain = true;
	at = next_special(at, end);
	if (likely(at < end && *at == '"'))
		return at + 1;
	return scan_string_rest(at, end, ret_plain, ret);
}

const char *json_scan_string(const char *at, const char *end, bool *ret_plain, struct json_fault *ret)
{
	return scan_string(at, end, ret_plain, ret);
}

/* Numbers */

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static inline const char *skip_digits(const char *at, const char *end)
{
	while (at < end && is_digit(*at))
		at++;
	return at;
}

/* A number taken apart: [begin, point) are digits, [point + 1, end) more of them where there is a fraction. */
struct number {
	const char *begin, *point, *end;
	bool has_exponent;
	long exponent;
};

static const char *scan_exponent(const char *at, const char *end, long *ret_exponent, struct json_fault *ret)
{
	bool negative = at < end && *at == '-';
	long exponent = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	const char *digits = at;
	for (; at < end && is_digit(*at); at++)
		exponent = min(exponent * 10 + (*at - '0'), 1000000000l);
	if (at == digits)
		return fault(ret, at, "a digit is missing in a number");
	*ret_exponent = negative ? -exponent : exponent;
	return at;
}

/* `at` is behind the sign. */
static inline const char *scan_parts(const char *at, const char *end, struct number *n,
				     struct json_fault *ret)
{
	if (at == end || !is_digit(*at))
		return fault(ret, at, "a digit is missing in a number");
	if (*at == '0' && at + 1 < end && is_digit(at[1]))
		return fault(ret, at, "a number with a leading zero");
	n->begin = at;
	at = n->point = skip_digits(at, end);
	if (at < end && *at == '.') {
		at = skip_digits(at + 1, end);
		if (at == n->point + 1)
			return fault(ret, at, "a digit is missing in a number");
	}
	n->end = at;
	n->exponent = 0;
	n->has_exponent = at < end && (*at | 32) == 'e';
	return n->has_exponent ? scan_exponent(at + 1, end, &n->exponent, ret) : at;
}

/* The first digit that isn't 0, so that the number is 0.d1d2d3… times ten to *ret_magnitude. NULL: it is 0. */
static const char *significant(const struct number *n, long *ret_magnitude)
{
	const char *first = n->begin;

	while (first < n->end && (*first == '0' || *first == '.'))
		first++;
	*ret_magnitude = (first < n->point ? n->point - first : -(first - n->point - 1)) + n->exponent;
	return first < n->end ? first : NULL;
}

/* However long the number is, its first 768 digits and whether anything but zeros follows decide the double. */
static double number_value(const struct number *n)
{
	char text[840];
	size_t len = 2;
	long magnitude;

	const char *at = significant(n, &magnitude);
	if (!at)
		return 0;
	memcpy(text, "0.", 2);
	for (; at < n->end && len < 800; at++)
		if (is_digit(*at))
			text[len++] = *at;
	while (at < n->end && (*at == '0' || *at == '.'))
		at++;
	if (at < n->end)
		text[len++] = '1';
	snprintf(text + len, sizeof(text) - len, "e%ld", magnitude);
	return strtod(text, NULL);
}

/* Only around 10^308 the digits themselves decide. */
static bool in_range(const struct number *n)
{
	long magnitude;

	if (!significant(n, &magnitude) || magnitude <= 308)
		return true;
	return magnitude == 309 && isfinite(number_value(n));
}

static inline const char *scan_number(const char *at, const char *end, struct json_fault *ret)
{
	const char *begin = at;
	struct number n;

	at = scan_parts(at + (*at == '-'), end, &n, ret);
	if (unlikely(!at))
		return NULL;
	if (unlikely((n.has_exponent || n.end - n.begin > 300) && !in_range(&n)))
		return fault(ret, begin, "a number beyond a double's range");
	return at;
}

/* Values */

const char json_too_deep[] = "nested too deep";

static const char *scan_word(const char *at, const char *end, const char *word, size_t len,
			     struct json_fault *ret)
{
	if ((size_t)(end - at) < len || memcmp(at, word, len) != 0)
		return fault(ret, at, "not a JSON value");
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
			return fault(ret, at, "a comma or ] is missing in an array");
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
			return fault(ret, at, "a key is missing in an object");
		at = scan_string(at + 1, end, &plain, ret);
		if (!at)
			return NULL;
		at = json_skip_space(at, end);
		if (at == end || *at != ':')
			return fault(ret, at, "a colon is missing behind a key");
		at = json_scan_value(json_skip_space(at + 1, end), end, depth - 1, ret);
		if (!at)
			return NULL;
		at = json_skip_space(at, end);
		if (at == end || (*at != ',' && *at != '}'))
			return fault(ret, at, "a comma or } is missing in an object");
		if (*at == '}')
			return at + 1;
		at = json_skip_space(at + 1, end);
	}
}

const char *json_scan_value(const char *at, const char *end, unsigned depth, struct json_fault *ret)
{
	bool plain;

	if (at == end)
		return fault(ret, at, "a value is missing");
	switch (*at) {
	case '"':
		return scan_string(at + 1, end, &plain, ret);
	case '{':
		return depth ? scan_object(at, end, depth, ret) : fault(ret, at, json_too_deep);
	case '[':
		return depth ? scan_array(at, end, depth, ret) : fault(ret, at, json_too_deep);
	case 't':
		return scan_word(at, end, "true", 4, ret);
	case 'f':
		return scan_word(at, end, "false", 5, ret);
	case 'n':
		return scan_word(at, end, "null", 4, ret);
	default:
		if (*at == '-' || is_digit(*at))
			return scan_number(at, end, ret);
		return fault(ret, at, "not a JSON value");
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
		fault(&f, at, "something follows the value");
	}
	*ret_error = (struct json_error){f.why, (size_t)(f.at - text.data)};
	return false;
}

/* Walking */

/* Behind the string whose opening quote is at `at`. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end;) {
		at = next_special(at, end);
		if (at >= end)
			break;
		if (*at == '"')
			return at + 1;
		at += *at == '\\' && end - at >= 2 ? 2 : 1;
	}
	return end;
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
			/* A word or number ends where one of these begins; between values they are passed over. */
			if (depth == 0) {
				while (at < end && !strchr(",]} \t\r\n", *at))
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

static char *add_utf8(char *out, unsigned long c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* The byte or escape at *at, decoded into `out`, which has room for 4 bytes: how many it is, -1: a bad escape. */
static int decode_one(const char **at, const char *end, char *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *p = *at;

	if (*p != '\\' || end - p < 2) {
		*out = *p;
		*at = p + 1;
		return 1;
	}
	*at = p + 2;
	if (p[1] == 'u') {
		long c = scan_unicode(at, end);
		return c < 0 ? -1 : (int)(add_utf8(out, (unsigned long)c) - out);
	}
	const char *found = memchr(from, p[1], sizeof(from) - 1);
	*out = found ? to[found - from] : p[1];
	return 1;
}

long json_decode(struct slice raw, char *out)
{
	if (raw.len < 2 || raw.data[0] != '"')
		return -1;
	const char *at = raw.data + 1, *end = raw.data + raw.len - 1;
	char *begin = out;
	while (at < end) {
		const char *plain = at;
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		at = escape ? escape : end;
		memcpy(out, plain, (size_t)(at - plain));
		out += at - plain;
		if (at == end)
			break;
		/* The escape goes through a room of its own: near the end `out` has just what the decoded form needs. */
		char one[4];
		int n = decode_one(&at, end, one);
		if (n < 0)
			return -1;
		memcpy(out, one, (size_t)n);
		out += n;
	}
	return out - begin;
}

/* Is the raw key (without quotes) the token of a pointer? Either may have escapes, each of its own kind. */
static bool key_is(struct slice key, const char *token, const char *token_end)
{
	const char *at = key.data, *end = slice_end(key);
	char one[4];

	while (at < end) {
		int n = decode_one(&at, end, one);
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

bool json_to_uint64(struct slice raw, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	if (raw.len == 0 || (raw.data[0] == '0' && raw.len > 1))
		return false;
	/* 19 digits always fit. */
	for (; i < min(raw.len, (size_t)19); i++) {
		if (!is_digit(raw.data[i]))
			return false;
		value = value * 10 + (uint64_t)(raw.data[i] - '0');
	}
	for (; i < raw.len; i++) {
		if (!is_digit(raw.data[i]) || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(raw.data[i] - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

bool json_to_int64(struct slice raw, int64_t *ret)
{
	bool negative = raw.len > 0 && raw.data[0] == '-';
	uint64_t value;

	if (negative)
		raw = (struct slice){raw.data + 1, raw.len - 1};
	if (!json_to_uint64(raw, &value) || value > (uint64_t)INT64_MAX + negative)
		return false;
	*ret = negative ? (int64_t)-value : (int64_t)value;
	return true;
}

bool json_to_double(struct slice raw, double *ret)
{
	struct json_fault ignored;
	struct number n;

	if (raw.len == 0)
		return false;
	const char *end = slice_end(raw);
	bool negative = raw.data[0] == '-';
	if (scan_parts(raw.data + negative, end, &n, &ignored) != end)
		return false;
	double value = number_value(&n);
	*ret = negative ? -value : value;
	return true;
}
