/* The words of a jq program, as jq 1.6 reads them. */
#pragma once

#include <stdbool.h>

#include "base/defs.h"
#include "base/slice.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,   /* an identifier or keyword */
	TOKEN_FIELD,  /* .name; the text is without the dot */
	TOKEN_STRING, /* the text is its first quote; what is interpolated follows, in parentheses */
	TOKEN_OTHER,  /* a number, a @format */
	TOKEN_OP,     /* also the dollar of a variable */
};

struct token {
	enum token_kind kind;
	struct slice text;
};

struct tokens {
	struct token *list; /* the last one is TOKEN_END */
	size_t n, cap;
};

/* Fills an empty list: 0, -ENOMEM, or -E2BIG where parentheses are nested too deep to be followed. */
int must_check reducer_jq_tokens(struct tokens *t, struct slice program);
void reducer_jq_tokens_deinit(struct tokens *t);

/* Is it this keyword, name or operator? */
static inline bool token_is(const struct token *t, const char *text)
{
	return t->kind != TOKEN_STRING && t->kind != TOKEN_FIELD && slice_eq(t->text, slice_of(text));
}

static inline bool token_is_any(const struct token *t, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (token_is(t, texts[i]))
			return true;
	return false;
}
