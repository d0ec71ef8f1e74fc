/* Bytes as the engine's JSON has them. Pure. */
#pragma once

#include "base/buf.h"

void base64_add(struct buf *out, struct slice bytes);
/* In place: it becomes shorter. False: the text is none, and what is there now is nothing. */
bool base64_decode(char *text, size_t *len);
