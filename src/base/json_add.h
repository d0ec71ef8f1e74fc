/* Members of an object that is being written: each with the comma that it needs. */
#pragma once

#include "base/buf.h"

/* A value follows. */
void json_add_key(struct buf *b, const char *key);
void json_add_u64(struct buf *b, const char *key, uint64_t value);
void json_add_str(struct buf *b, const char *key, const char *value); /* NULL: null */
void json_add_bool(struct buf *b, const char *key, bool value);
