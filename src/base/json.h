/* JSON as raw bytes: a strict check in one pass, and walking over text that has passed it.
 *
 * Strict is RFC 8259 plus what every other reader of the log needs: valid UTF-8, no lone surrogates in \u
 * escapes, no number beyond a double's range (underflow is fine), nesting up to a limit.
 *
 * No function here allocates, keeps state or touches anything but its arguments: any thread. */
#pragma once

#include <stdbool.h>

#include "base/defs.h"
#include "base/slice.h"

/* Why a text was refused: `why` is a constant, `at` the offset of the trouble in bytes. */
struct json_error {
	const char *why;
	size_t at;
};

/* The reason for a text that is nested deeper than its caller allows, so that the caller may name the limit.
 */
extern const char json_too_deep[];

/* Is `text` (outer white space allowed) one JSON value nested `depth` deep at most? */
bool json_check(struct slice text, unsigned depth, struct json_error *ret_error);

/* The same while scanning, with the place as a pointer. */
struct json_fault {
	const char *why;
	const char *at;
};

/* The building blocks of checks. Each begins exactly at `at` (no white space before) and returns the place
 * behind what it has checked, or NULL with the fault. `depth`: levels that are left. */
const char *json_scan_value(const char *at, const char *end, unsigned depth, struct json_fault *ret);
/* `at` is behind the opening quote; *ret_plain: it has no escapes. */
const char *json_scan_string(const char *at, const char *end, bool *ret_plain, struct json_fault *ret);

static inline const char *json_skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* The rest is for text that has passed the check; on other text they stay inside it and may answer anything.
 */

/* Behind the value that begins at `at`. */
const char *json_skip(const char *at, const char *end);

/* Looks a value up by JSON pointer (RFC 6901) below `raw`; "" is raw itself. Of members of the same name the
 * last one counts, as for most readers. A key with escapes is found by what it means. */
bool json_find(struct slice raw, const char *pointer, struct slice *ret);

/* Iterates over an object's members or an array's elements. Keys are raw without their quotes (NULL in an
 * array), values are raw. */
struct json_iter {
	const char *at, *end;
};
struct json_iter json_iterate(struct slice raw);
bool json_next(struct json_iter *it, struct slice *ret_key, struct slice *ret_value);

/* Decodes a raw string (with its quotes) into `out`, which has room for raw.len bytes: the decoded length, or
 * -1 where raw is no string. */
long json_decode(struct slice raw, char *out);

/* A raw integer (no fraction, no exponent; no sign for the unsigned one), exactly. False, and *ret as it was,
 * for anything else and for what does not fit. */
bool json_to_int64(struct slice raw, int64_t *ret);
bool json_to_uint64(struct slice raw, uint64_t *ret);
/* A raw number of any length, rounded to the nearest double. */
bool json_to_double(struct slice raw, double *ret);
