/* A jq value as compact JSON: the bytes that `jq -c` prints. */
#pragma once

#include <jv.h>
#include <stdbool.h>

#include "base/buf.h"

/* Nesting that libjq's parser reads back. */
#define JQ_DEPTH 256

/* Borrows the value. 0, -ENOMEM, or -E2BIG where it is nested deeper than JQ_DEPTH. */
int must_check reducer_jq_text(struct buf *out, jv value);

/* Is it what its text reads back as? Infinity and NaN are not. Borrows the value. */
bool reducer_jq_is_json(jv value);
