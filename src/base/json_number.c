/* Numbers of JSON: are they a double's, and which? */
#include <math.h>
#include <stdio.h>

#include "base/json_impl.h"

const char *json_scan_exponent(const char *at, const char *end, long *ret_exponent, struct json_fault *ret)
{
	bool negative = at < end && *at == '-';
	long exponent = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	const char *digits = at;
	for (; at < end && json_is_digit(*at); at++)
		exponent = min(exponent * 10 + (*at - '0'), 1000000000l);
	if (at == digits)
		return json_fault_at(ret, at, "a digit is missing in a number");
	*ret_exponent = negative ? -exponent : exponent;
	return at;
}

/* The first digit that isn't 0, so that the number is 0.d1d2d3… times ten to *ret_magnitude. NULL: it is 0.
 */
static const char *significant(const struct json_number *n, long *ret_magnitude)
{
	const char *first = n->begin;

	while (first < n->end && (*first == '0' || *first == '.'))
		first++;
	*ret_magnitude = (first < n->point ? n->point - first : -(first - n->point - 1)) + n->exponent;
	return first < n->end ? first : NULL;
}

/* However long the number is, its first 768 digits and whether anything but zeros follows decide the double.
 */
static double number_value(const struct json_number *n)
{
	char text[840];
	size_t len = 2;
	long magnitude;

	const char *at = significant(n, &magnitude);
	if (!at)
		return 0;
	memcpy(text, "0.", 2);
	for (; at < n->end && len < 800; at++)
		if (json_is_digit(*at))
			text[len++] = *at;
	while (at < n->end && (*at == '0' || *at == '.'))
		at++;
	if (at < n->end)
		text[len++] = '1';
	snprintf(text + len, sizeof(text) - len, "e%ld", magnitude);
	return strtod(text, NULL);
}

/* Only around 10^308 the digits themselves decide. */
bool json_number_fits(const struct json_number *n)
{
	long magnitude;

	if (!significant(n, &magnitude) || magnitude <= 308)
		return true;
	return magnitude == 309 && isfinite(number_value(n));
}

bool json_to_uint64(struct slice raw, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	if (raw.len == 0 || (raw.data[0] == '0' && raw.len > 1))
		return false;
	/* 19 digits always fit. */
	for (; i < min(raw.len, (size_t)19); i++) {
		if (!json_is_digit(raw.data[i]))
			return false;
		value = value * 10 + (uint64_t)(raw.data[i] - '0');
	}
	for (; i < raw.len; i++) {
		if (!json_is_digit(raw.data[i]) || __builtin_mul_overflow(value, 10, &value) ||
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
	struct json_number n;

	if (raw.len == 0)
		return false;
	const char *end = slice_end(raw);
	bool negative = raw.data[0] == '-';
	if (json_scan_parts(raw.data + negative, end, &n, &ignored) != end)
		return false;
	double value = number_value(&n);
	*ret = negative ? -value : value;
	return true;
}
