#include "model/host/jq/token.h"

#include "base/defs.h"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_name(const char *at, const char *end)
{
	if (at == end || !is_letter(*at))
		return at;
	while (at < end && (is_letter(*at) || is_digit(*at)))
		at++;
	return at;
}

/* Names of modules may stand in front: a::b. */
static const char *skip_path(const char *at, const char *end)
{
	at = skip_name(at, end);
	while (end - at > 2 && at[0] == ':' && at[1] == ':' && is_letter(at[2]))
		at = skip_name(at + 2, end);
	return at;
}

static const char *skip_number(const char *at, const char *end)
{
	while (at < end && (is_digit(*at) || *at == '.'))
		at++;
	if (at < end && (*at == 'e' || *at == 'E')) {
		const char *exponent = at + 1;
		if (exponent < end && (*exponent == '+' || *exponent == '-'))
			exponent++;
		if (exponent < end && is_digit(*exponent))
			for (at = exponent; at < end && is_digit(*at);)
				at++;
	}
	return at;
}

static const char *skip_blank(const char *at, const char *end)
{
	while (at < end) {
		if (*at == '#') {
			while (at < end && *at != '\n' && *at != '\r')
				at++;
		} else if (*at == ' ' || *at == '\n' || *at == '\t') {
			at++;
		} else {
			break;
		}
	}
	return at;
}

static size_t operator_length(const char *at, const char *end)
{
	static const char *const long_ones[] = {
	    "?//", "//=", "!=", "==", "//", "|=", "+=", "-=", "*=", "/=", "%=", "<=", ">=", ".."};

	for (size_t i = 0; i < countof(long_ones); i++) {
		size_t len = strlen(long_ones[i]);
		if ((size_t)(end - at) >= len && memcmp(at, long_ones[i], len) == 0)
			return len;
	}
	return *at && strchr(".?=;,:|+-*/%$<>[](){}", *at) ? 1 : 0;
}

static bool is_keyword(struct slice name)
{
	static const char *const keywords[] = {
	    "as", "import", "include", "module",  "def", "if",    "then",  "else",  "elif",   "and",
	    "or", "end",    "reduce",  "foreach", "try", "catch", "label", "break", "__loc__"};

	for (size_t i = 0; i < countof(keywords); i++)
		if (slice_eq(name, slice_of(keywords[i])))
			return true;
	return false;
}

static struct token make(enum token_kind kind, const char *from, const char *to)
{
	return (struct token){kind, {from, (size_t)(to - from)}};
}

/* The longest reading counts; of two that are as long, the number. */
struct token token_read(const char *at, const char *end)
{
	at = skip_blank(at, end);
	if (at == end)
		return make(TOKEN_END, at, at);
	if (*at == '"')
		return make(TOKEN_QUOTE, at, at + 1);
	if (*at == '@') {
		const char *to = at + 1;
		while (to < end && (is_letter(*to) || is_digit(*to)))
			to++;
		return to > at + 1 ? make(TOKEN_FORMAT, at + 1, to) : make(TOKEN_BAD, at, to);
	}
	if (is_letter(*at)) {
		struct token t = make(TOKEN_NAME, at, skip_path(at, end));
		if (is_keyword(t.text))
			t.kind = TOKEN_KEYWORD;
		return t;
	}
	const char *number = skip_number(at, end);
	size_t operator= operator_length(at, end);
	const char *field = *at == '.' ? skip_name(at + 1, end) : at;
	if (field > at + 1 && field > number)
		return make(TOKEN_FIELD, at + 1, field);
	if (number > at && (size_t)(number - at) > operator)
		return make(TOKEN_NUMBER, at, number);
	return operator> 0 ? make(TOKEN_OP, at, at + operator) : make(TOKEN_BAD, at, at + 1);
}

static bool is_hex_like(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

enum string_piece token_string(const char **at, const char *end, struct slice *ret)
{
	const char *p = *at;

	if (p == end)
		return STRING_BAD;
	if (*p == '"') {
		*at = p + 1;
		return STRING_END;
	}
	if (*p != '\\') {
		while (p < end && *p != '"' && *p != '\\')
			p++;
		*ret = (struct slice){*at, (size_t)(p - *at)};
		*at = p;
		return STRING_TEXT;
	}
	while (end - p >= 2 && *p == '\\' && p[1] != '(') {
		bool unicode = p[1] == 'u';
		p += 2;
		for (int i = 0; unicode && i < 4 && p < end && is_hex_like(*p); i++)
			p++;
	}
	if (p > *at) {
		*ret = (struct slice){*at, (size_t)(p - *at)};
		*at = p;
		return STRING_ESCAPES;
	}
	if (end - p < 2)
		return STRING_BAD;
	*at = p + 2;
	return STRING_CODE;
}
