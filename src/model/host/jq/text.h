/* Values as JSON text and back. */
#pragma once

#include "base/buf.h"
#include "model/host/jq/value.h"

/* Nesting that a state may have: libjq's parser reads no more. */
#define JQ_DEPTH 256

/* Appends the value (borrowed) as compact JSON: the bytes that `jq -c` prints. 0, -ENOMEM, or -E2BIG where it
 * is nested deeper than JQ_DEPTH. */
int must_check val_write(struct buf *out, struct val v);

/* The value as jq's tojson has it: what is too deep is named so. Consumes it. */
struct val val_dump(struct val v);
/* The beginning of that text (v is borrowed), with an ellipsis where it is longer: what jq's messages show.
 */
void val_dump_begin(struct val v, char *out, size_t size);
/* A message; what is no UTF-8 any more, since it was cut, is replaced. */
struct val val_message(const char *fmt, ...) printf_like(1, 2);

/* From JSON text that has passed json_check(), at most JQ_DEPTH deep. */
struct val val_read(struct slice checked);
