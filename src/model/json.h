/* JSON as raw bytes: a strict check in one pass, and walking over text that has passed it.
 *
 * Strict is RFC 8259 plus what every other reader of the log needs: valid UTF-8, no lone surrogates
 * in \u escapes, no number beyond a double's range (underflow is fine), nesting up to a limit.
 *
 * No function here allocates, keeps state or touches anything but its arguments: any thread. */
#pragma once

#include <stdbool.h>

#include "base/defs.h"
#include "base/slice.h"

/* Why a text was refused. `at` is the byte offset where the trouble is; `why` is a constant. */
struct json_error {
	const char *why;
	size_t at;
};

/* Is `text` (outer white space allowed) one JSON value nested `depth` deep at most? */
bool json_check(struct slice text, unsigned depth, struct json_error *ret_error);

/* Checks one value that begins exactly at *at (no white space before it) and moves *at behind it. The
 * building block of json_check() and of the event check; `depth` is how many levels are left. */
bool json_check_value(const char **at, const char *end, unsigned depth, struct json_error *ret_error);

/* The rest is for text that has passed the check; on other text they stay inside it and may answer
 * anything. */

/* Behind the value that begins at `at`. */
const char *json_skip(const char *at, const char *end);

/* Looks a value up by JSON pointer (RFC 6901) below `raw`. `pointer` is "" or begins with '/'. */
bool json_find(struct slice raw, const char *pointer, struct slice *ret);

/* Iterates over an object's members or an array's elements; as eventfold_next(). */
struct json_iter {
	const char *at, *end;
};
struct json_iter json_iterate(struct slice raw);
bool json_next(struct json_iter *it, struct slice *ret_key, struct slice *ret_value);

/* Decodes a raw string (with its quotes) into `out`, which has room for raw.len bytes: the decoded
 * length, or -1 where raw is no string. */
long json_decode(struct slice raw, char *out);
/* Has the raw string no escapes, so that its inside is its value? */
bool json_is_plain(struct slice raw);

/* A raw integer (no fraction, no exponent, not "-0" for the unsigned one), exactly. */
bool json_to_int64(struct slice raw, int64_t *ret);
bool json_to_uint64(struct slice raw, uint64_t *ret);
bool json_to_double(struct slice raw, double *ret);
