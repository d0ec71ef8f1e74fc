#include "base/json_add.h"

void json_add_key(struct buf *b, const char *key)
{
	if (b->len > 0 && b->data[b->len - 1] != '{')
		buf_add_char(b, ',');
	buf_add_json(b, slice_of(key));
	buf_add_char(b, ':');
}

void json_add_u64(struct buf *b, const char *key, uint64_t value)
{
	json_add_key(b, key);
	buf_add_u64(b, value);
}

void json_add_str(struct buf *b, const char *key, const char *value)
{
	json_add_key(b, key);
	if (value)
		buf_add_json(b, slice_of(value));
	else
		buf_add_str(b, "null");
}

void json_add_bool(struct buf *b, const char *key, bool value)
{
	json_add_key(b, key);
	buf_add_str(b, value ? "true" : "false");
}
