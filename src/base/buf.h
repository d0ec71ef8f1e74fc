/* A growing byte buffer that its holder owns: {0} is an empty one.
 *
 * Errors are sticky so that a long text can be written without a check a line: after a failed
 * allocation `failed` is set, further appends do nothing, and buf_error() is -ENOMEM. */
#pragma once

#include "base/defs.h"
#include "base/slice.h"

struct buf {
	char *data;
	size_t len, cap;
	bool failed;
	/* Where the memory is not malloc()'s: gives more of it, *cap bytes, or any number from `need` on;
	 * NULL: there is none. It is whoever set this that frees it. */
	char *(*grow)(struct buf *b, size_t need, size_t *cap);
};

void buf_deinit(struct buf *b);
#define auto_buf cleanup(buf_deinit)

static inline void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

int buf_grow(struct buf *b, size_t more);

/* Room for `more` bytes behind len: 0 or -ENOMEM. */
static inline int buf_reserve(struct buf *b, size_t more)
{
	return likely(more <= b->cap - b->len && !b->failed) ? 0 : buf_grow(b, more);
}

void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *str);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t value);
void buf_add_i64(struct buf *b, int64_t value);
void buf_add_hex64(struct buf *b, uint64_t value); /* 16 digits */
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);

/* The bytes as a JSON string, quotes included. What is not UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *b, struct slice s);

/* Takes out the first n bytes. */
void buf_drop(struct buf *b, size_t n);

static inline int must_check buf_error(const struct buf *b)
{
	return b->failed ? -12 /* ENOMEM */ : 0;
}

static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->data, b->len};
}
