/* Strings, which may have code in them. */
#include <jv.h>

#include "model/host/jq/bridge.h"
#include "model/host/jq/parser.h"

static struct tree *escapes(struct parser *p, struct slice text)
{
	struct val_string *quoted = val_string_sized("\"", 1, text.len + 2);

	memcpy(quoted->data + 1, text.data, text.len);
	quoted->data[text.len + 1] = '"';
	jv j = jv_parse_sized(quoted->data, (int)text.len + 2);
	free(quoted);
	if (jv_get_kind(j) == JV_KIND_STRING)
		return tree_constant(p, val_of_jv(j));
	jv_free(j);
	return parser_fail(p);
}

static struct tree *interpolation(struct parser *p, const char **at, struct slice format)
{
	p->t = (struct token){TOKEN_OP, {*at, 0}};
	parser_advance(p);
	struct tree *t = parse_expression(p);
	if (!parser_is(p, ")"))
		return parser_fail(p);
	*at = p->t.text.data + 1;
	struct tree *formatted = t ? tree_node(p, TREE_FORMAT, t, NULL) : NULL;
	if (formatted)
		formatted->name = format;
	return formatted;
}

struct tree *parse_string(struct parser *p, struct slice format)
{
	const char *at = p->t.text.data + 1;
	struct tree *whole = tree_string(p, (struct slice){"", 0}), *piece;
	struct slice text;

	for (;;) {
		enum string_piece kind = token_string(&at, p->end, &text);
		p->t.text = (struct slice){p->t.text.data, 1};
		if (kind == STRING_END)
			break;
		if (kind == STRING_TEXT)
			piece = tree_string(p, text);
		else if (kind == STRING_ESCAPES)
			piece = escapes(p, text);
		else if (kind == STRING_CODE)
			piece = interpolation(p, &at, format);
		else
			piece = parser_fail(p);
		if (!piece || !whole)
			return NULL;
		whole = tree_binary(p, OP_ADD, whole, piece);
	}
	p->t = (struct token){TOKEN_OP, {at, 0}};
	parser_advance(p);
	return whole;
}

struct tree *parse_formatted(struct parser *p)
{
	struct slice format = SLICE("text");

	if (p->t.kind == TOKEN_FORMAT) {
		format = p->t.text;
		parser_advance(p);
		if (p->t.kind != TOKEN_QUOTE)
			return parser_fail(p);
	}
	return parse_string(p, format);
}
