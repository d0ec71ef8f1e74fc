/* The words of a jq program, as jq 1.6 reads them. */
#pragma once

#include "base/slice.h"

enum token_kind {
	TOKEN_END,
	TOKEN_BAD,
	TOKEN_NAME,    /* an identifier that is no keyword */
	TOKEN_KEYWORD, /* as, def, … */
	TOKEN_FIELD,   /* .name; the text is without the dot */
	TOKEN_NUMBER,
	TOKEN_FORMAT, /* @name; the text is without the @ */
	TOKEN_QUOTE,  /* a string begins; what is in it is for token_string() */
	TOKEN_OP,
};

struct token {
	enum token_kind kind;
	struct slice text;
};

/* The token that begins at `at` or behind the white space and comments there. */
struct token token_read(const char *at, const char *end);

/* A piece of a string, from `at` on. */
enum string_piece { STRING_TEXT, STRING_ESCAPES, STRING_CODE /* behind the ( */, STRING_END, STRING_BAD };
enum string_piece token_string(const char **at, const char *end, struct slice *ret);

static inline bool token_is(const struct token *t, const char *text)
{
	return (t->kind == TOKEN_OP || t->kind == TOKEN_KEYWORD) && slice_eq(t->text, slice_of(text));
}
