/* A slice: bytes that somebody else owns. Not terminated by a zero. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *data;
	size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *str)
{
	return (struct slice){str, strlen(str)};
}

/* A slice without bytes may have no address either, and to none nothing may be added, not even 0. So a
 * slice's end, and what is left behind its first n bytes, are asked for here where it may be empty. */
static inline const char *slice_end(struct slice s)
{
	return s.len > 0 ? s.data + s.len : s.data;
}

static inline struct slice slice_skip(struct slice s, size_t n)
{
	return n > 0 ? (struct slice){s.data + n, s.len - n} : s;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
