/* What is wrong with a refused line, in the words of whoever wrote it: JSON's own complaint ("a key is
 * missing in the object") says little to who has written a key without quotes. Decided from the complaint and
 * from what stands where it was made.
 *
 * Pure: any thread. Not for the hot path. */
#pragma once

#include "base/json.h"
#include "base/slice.h"

/* A better reason for the fault in `line`, as a constant; the fault's own where there is none. */
const char *hint_for(struct slice line, const struct json_fault *fault);

/* The same for a value alone, such as an event's "data": where it is cut, that is not the end of a line. */
const char *hint_for_value(struct slice text, const struct json_error *error);

/* Why the text from `at` on, up to the line's end, is no "ts". */
const char *hint_for_ts(const char *at, const char *end);
