/* What the files of JSON share: the quick ways through short strings and plain numbers, of which an event is
 * full, without a call. See json.h. */
#pragma once

#include "base/json.h"
#include "base/json_special.h"

static inline const char *json_fault_at(struct json_fault *ret, const char *at, const char *why)
{
	*ret = (struct json_fault){why, at};
	return NULL;
}

/* Strings (json_string.c) */

/* Goes on with the check from a byte that json_special() has stopped at. */
const char *json_scan_string_rest(const char *at, const char *end, bool *ret_plain, struct json_fault *ret);

/* json_scan_string(). Most strings are a few plain characters: for those there is no call. */
static inline const char *json_scan_short_string(const char *at, const char *end, bool *ret_plain,
						 struct json_fault *ret)
{
	*ret_plain = true;
	at = json_special(at, end);
	if (likely(at < end && *at == '"'))
		return at + 1;
	return json_scan_string_rest(at, end, ret_plain, ret);
}

/* Of text that has passed: the byte or escape at *at, decoded into `out`, which has room for 4 bytes: how
 * many it is, -1: a bad escape. */
int json_decode_one(const char **at, const char *end, char *out);

/* Numbers (json_number.c) */

static inline bool json_is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static inline const char *json_skip_digits(const char *at, const char *end)
{
	while (at < end && json_is_digit(*at))
		at++;
	return at;
}

/* A number taken apart: [begin, point) are digits, [point + 1, end) more of them where there is a fraction.
 */
struct json_number {
	const char *begin, *point, *end;
	bool has_exponent;
	long exponent;
};

/* `at` is behind the "e". */
const char *json_scan_exponent(const char *at, const char *end, long *ret_exponent, struct json_fault *ret);

/* `at` is behind the sign. */
static inline const char *json_scan_parts(const char *at, const char *end, struct json_number *n,
					  struct json_fault *ret)
{
	if (at == end || !json_is_digit(*at))
		return json_fault_at(ret, at, "a digit is missing in a number");
	if (*at == '0' && at + 1 < end && json_is_digit(at[1]))
		return json_fault_at(ret, at, "a number with a leading zero");
	n->begin = at;
	at = n->point = json_skip_digits(at, end);
	if (at < end && *at == '.') {
		at = json_skip_digits(at + 1, end);
		if (at == n->point + 1)
			return json_fault_at(ret, at, "a digit is missing in a number");
	}
	n->end = at;
	n->exponent = 0;
	n->has_exponent = at < end && (*at | 32) == 'e';
	return n->has_exponent ? json_scan_exponent(at + 1, end, &n->exponent, ret) : at;
}

/* Is it within a double's range? */
bool json_number_fits(const struct json_number *n);
