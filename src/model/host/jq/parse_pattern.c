/* Patterns: what is behind `as`. */
#include "model/host/jq/parser.h"

static struct pattern *parse_pattern(struct parser *p);

/* What jq has the value of when it compiles. `comma`: so may be several with commas between. */
static bool is_known(const struct tree *t, bool comma)
{
	bool known = true;

	if (t->kind == TREE_CONST)
		return true;
	if (t->kind == TREE_ARRAY)
		return !t->a || is_known(t->a, true);
	if (t->kind != TREE_OBJECT && !(comma && t->kind == TREE_COMMA))
		return false;
	for (unsigned i = 0; i < t->n && known; i++)
		known = t->list[i] && is_known(t->list[i], t->kind == TREE_COMMA);
	return known;
}

struct tree *parse_key_in_parentheses(struct parser *p)
{
	parser_expect(p, "(");
	struct tree *key = parse_expression(p);
	parser_expect(p, ")");
	if (key && is_known(key, false) && !(key->kind == TREE_CONST && key->value.kind == VAL_STRING))
		return parser_fail(p);
	return key;
}

static void parse_member_pattern(struct parser *p, struct pattern *m)
{
	bool needs_value = true;

	if (parser_take(p, "$")) {
		m->name = parser_take_variable(p);
		m->key = tree_string(p, m->name);
		needs_value = false;
	} else if (p->t.kind == TOKEN_NAME || p->t.kind == TOKEN_KEYWORD) {
		m->key = tree_string(p, p->t.text);
		parser_advance(p);
	} else if (parser_at_string(p)) {
		m->key = parse_formatted(p);
	} else {
		m->key = parse_key_in_parentheses(p);
	}
	p->key_depth = max(p->key_depth, tree_depth(m->key));
	if (needs_value ? parser_expect(p, ":") : parser_take(p, ":"))
		m->value = parse_pattern(p);
}

static struct pattern *parse_list_pattern(struct parser *p, enum pattern_kind kind, const char *close)
{
	struct pattern *whole = parse_alloc(p->p, sizeof(*whole)), **last = &whole->list;

	whole->kind = kind;
	do {
		struct pattern *one;
		if (kind == PATTERN_OBJECT) {
			one = parse_alloc(p->p, sizeof(*one));
			parse_member_pattern(p, one);
		} else {
			struct pattern *element = parse_pattern(p);
			one = parse_alloc(p->p, sizeof(*one));
			one->value = element;
		}
		*last = one;
		last = &one->next;
	} while (parser_take(p, ","));
	parser_expect(p, close);
	return whole;
}

static struct pattern *parse_pattern(struct parser *p)
{
	struct pattern *whole = NULL;

	if (++p->depth > PARSE_DEEPEST)
		parser_fail_as(p, PARSE_DEEP);
	if (parser_take(p, "$")) {
		whole = parse_alloc(p->p, sizeof(*whole));
		whole->name = parser_take_variable(p);
	} else if (parser_take(p, "[")) {
		whole = parse_list_pattern(p, PATTERN_ARRAY, "]");
	} else if (parser_take(p, "{")) {
		whole = parse_list_pattern(p, PATTERN_OBJECT, "}");
	} else {
		parser_fail(p);
	}
	p->depth--;
	return whole;
}

struct pattern *parse_patterns(struct parser *p)
{
	struct pattern *first = parse_pattern(p), *last = first;

	while (parser_take(p, "?//")) {
		struct pattern *next = parse_pattern(p);
		if (last)
			last->alternative = next;
		last = next;
	}
	return first;
}
