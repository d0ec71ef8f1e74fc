#include "model/reducer_jq_tokens.h"

#include <errno.h>

void reducer_jq_tokens_deinit(struct tokens *t)
{
	free(t->list);
}

static int must_check add(struct tokens *t, enum token_kind kind, const char *from, const char *to)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct token *list = realloc(t->list, cap * sizeof(*list));

		if (!list)
			return -ENOMEM;
		t->list = list;
		t->cap = cap;
	}
	t->list[t->n++] = (struct token){kind, {from, (size_t)(to - from)}};
	return 0;
}

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *word_end(const char *p, const char *end)
{
	for (;;) {
		while (p < end && (letter(*p) || digit(*p)))
			p++;
		if (end - p > 2 && p[0] == ':' && p[1] == ':' && letter(p[2]))
			p += 2;
		else
			return p;
	}
}

/* Digits with a point among them or around, and an exponent. What follows may be a word: `3then`. */
static const char *number_end(const char *p, const char *end)
{
	const char *exponent;
	bool point = false;

	for (; p < end && (digit(*p) || (*p == '.' && !point)); p++)
		point |= *p == '.';
	if (p == end || (*p != 'e' && *p != 'E'))
		return p;
	exponent = p + 1;
	if (exponent < end && (*exponent == '+' || *exponent == '-'))
		exponent++;
	if (exponent == end || !digit(*exponent))
		return p;
	for (p = exponent; p < end && digit(*p);)
		p++;
	return p;
}

/* Behind the string's end or its next "\(". */
static const char *string_part(const char *p, const char *end, bool *ret_interpolates)
{
	*ret_interpolates = false;
	while (p < end) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\' && p + 1 < end) {
			*ret_interpolates = p[1] == '(';
			p += 2;
			if (*ret_interpolates)
				return p;
		} else {
			p++;
		}
	}
	return end;
}

static const char *operator_end(const char *p, const char *end)
{
	static const char *const long_ones[] = {
	    "?//", "//=", "!=", "==", "//", "|=", "+=", "-=", "*=", "/=", "%=", "<=", ">=", ".."};

	for (size_t i = 0; i < countof(long_ones); i++) {
		size_t len = strlen(long_ones[i]);

		if ((size_t)(end - p) >= len && memcmp(p, long_ones[i], len) == 0)
			return p + len;
	}
	return p + 1;
}

/* One token that is no string; *p moves behind it. */
static int must_check plain_token(struct tokens *t, const char **p, const char *end)
{
	const char *from = *p;

	if (letter(*from)) {
		*p = word_end(from, end);
		return add(t, TOKEN_WORD, from, *p);
	}
	if (*from == '.' && from + 1 < end && letter(from[1])) {
		for (*p = from + 1; *p < end && (letter(**p) || digit(**p));)
			(*p)++;
		return add(t, TOKEN_FIELD, from + 1, *p);
	}
	if (digit(*from) || (*from == '.' && from + 1 < end && digit(from[1]))) {
		*p = number_end(from, end);
		return add(t, TOKEN_OTHER, from, *p);
	}
	if (*from == '@') {
		for (*p = from + 1; *p < end && (letter(**p) || digit(**p));)
			(*p)++;
		return add(t, TOKEN_OTHER, from, *p);
	}
	*p = operator_end(from, end);
	return add(t, TOKEN_OP, from, *p);
}

int reducer_jq_tokens(struct tokens *t, struct slice program)
{
	const char *p = program.data, *end = p + program.len;
	/* One bit a level of parentheses that are open: is it an interpolation? Deeper programs are given up on. */
	unsigned char inside[256];
	size_t level = 0;

	while (p < end) {
		bool interpolates = false, in_string = *p == '"';
		const char *from = p;
		int err = 0;

		if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
			p++;
			continue;
		}
		if (*p == '#') {
			while (p < end && *p != '\n' && *p != '\r')
				p++;
			continue;
		}
		if (*p == ')' && level > 0 && inside[--level]) {
			err = add(t, TOKEN_OP, p, p + 1);
			in_string = true;
		} else if (in_string) {
			err = add(t, TOKEN_STRING, p, p + 1);
		} else {
			err = plain_token(t, &p, end);
		}
		if (err)
			return err;
		if (in_string)
			p = string_part(p + 1, end, &interpolates);
		if (interpolates && (err = add(t, TOKEN_OP, p - 1, p)))
			return err;
		if (interpolates || *from == '(') {
			if (level == sizeof(inside))
				return -E2BIG;
			inside[level++] = interpolates;
		}
	}
	return add(t, TOKEN_END, end, end);
}
