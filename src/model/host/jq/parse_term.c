/* Terms: what operators stand between. */
#include <jv.h>

#include "model/host/jq/bridge.h"
#include "model/host/jq/parser.h"

static struct tree *parse_in(struct parser *p, const char *close)
{
	struct tree *t = parse_expression(p);

	parser_expect(p, close);
	return t;
}

static struct tree *optional(struct parser *p, struct tree *t)
{
	if (parser_take(p, "?") && t)
		t->optional = true;
	return t;
}

static struct tree *parse_brackets(struct parser *p, struct tree *of)
{
	struct tree *from = NULL, *to = NULL;

	parser_expect(p, "[");
	if (parser_take(p, "]"))
		return optional(p, tree_node(p, TREE_EACH, of, NULL));
	if (!parser_is(p, ":"))
		from = parse_expression(p);
	if (!parser_take(p, ":")) {
		parser_expect(p, "]");
		return optional(p, tree_node(p, TREE_INDEX, of, from));
	}
	if (!parser_is(p, "]"))
		to = parse_expression(p);
	else if (!from)
		return parser_fail(p);
	parser_expect(p, "]");
	struct tree *t = tree_node(p, TREE_SLICE, of, from);
	if (!t)
		return NULL;
	t->c = to;
	return optional(p, tree_grown(p, t));
}

static struct tree *parse_name_index(struct parser *p, struct tree *of)
{
	struct tree *key = tree_string(p, p->t.text);

	parser_advance(p);
	return optional(p, tree_node(p, TREE_INDEX, of, key));
}

/* ExpD: what may stand as a value in an object without parentheses. */
static struct tree *parse_member_value(struct parser *p)
{
	struct trees list = {0};

	if (++p->depth > PARSE_DEEPEST)
		return parser_fail_as(p, PARSE_DEEP);
	do {
		unsigned minus = 0;
		while (parser_take(p, "-"))
			minus++;
		struct tree *t = parse_term(p);
		while (t && minus-- > 0)
			t = tree_node(p, TREE_NEGATE, t, NULL);
		trees_add(p, &list, t);
	} while (parser_take(p, "|"));
	p->depth--;
	return list.n == 1 ? list.list[0] : tree_of_list(p, TREE_PIPE, &list);
}

/* $__loc__ is the line, counted from 1. */
static struct tree *location(struct parser *p, const char *dollar)
{
	struct val object = val_object(2);
	unsigned line = 1;

	for (const char *at = p->p->program.data; at < dollar; at++)
		line += *at == '\n';
	object = val_set(object, val_text("file"), val_text("<top-level>"));
	object = val_set(object, val_text("line"), val_number(line));
	return tree_constant(p, object);
}

static struct tree *parse_variable(struct parser *p)
{
	const char *dollar = p->t.text.data;

	parser_advance(p);
	if (parser_take(p, "__loc__"))
		return location(p, dollar);
	return tree_named(p, TREE_VARIABLE, parser_take_variable(p));
}

/* {$name}, and later {$key: value}. */
static void parse_variable_member(struct parser *p, struct trees *list)
{
	const char *dollar = p->t.text.data;

	parser_advance(p);
	struct slice name = p->t.text;
	if (p->p->later && parser_take(p, "__loc__")) {
		trees_add(p, list, tree_string(p, name));
		trees_add(p, list, location(p, dollar));
		return;
	}
	struct tree *variable = tree_named(p, TREE_VARIABLE, parser_take_variable(p));
	if (p->p->later && parser_take(p, ":")) {
		trees_add(p, list, variable);
		trees_add(p, list, parse_member_value(p));
	} else {
		trees_add(p, list, tree_string(p, name));
		trees_add(p, list, variable);
	}
}

static void parse_member(struct parser *p, struct trees *list)
{
	struct tree *key, *value = NULL;
	bool may_stand_alone = true;

	if (parser_is(p, "$")) {
		parse_variable_member(p, list);
		return;
	}
	if (p->t.kind == TOKEN_NAME || p->t.kind == TOKEN_KEYWORD) {
		may_stand_alone = p->t.kind == TOKEN_NAME || p->p->later;
		key = tree_string(p, p->t.text);
		parser_advance(p);
	} else if (parser_at_string(p)) {
		key = parse_formatted(p);
	} else {
		may_stand_alone = false;
		key = parse_key_in_parentheses(p);
	}
	if (parser_take(p, ":"))
		value = parse_member_value(p);
	else if (!may_stand_alone)
		parser_fail(p);
	trees_add(p, list, key);
	trees_add(p, list, value);
}

static struct tree *object_of(struct parser *p, struct trees *members)
{
	for (unsigned i = 0; i < members->n; i++) {
		const struct tree *t = members->list[i];
		if (!t || t->kind != TREE_CONST || (i % 2 == 0 && t->value.kind != VAL_STRING))
			return tree_of_list(p, TREE_OBJECT, members);
	}
	struct val object = val_object(max(members->n / 2, 1u));
	for (unsigned i = 0; i < members->n; i += 2)
		object =
		    val_set(object, val_copy(members->list[i]->value), val_copy(members->list[i + 1]->value));
	return tree_constant(p, object);
}

static struct tree *parse_object(struct parser *p)
{
	struct trees list = {0};

	while (!parser_is(p, "}") && !p->p->error) {
		parse_member(p, &list);
		if (!parser_take(p, ","))
			break;
	}
	parser_expect(p, "}");
	return p->p->error ? NULL : object_of(p, &list);
}

static struct tree *parse_call(struct parser *p)
{
	struct slice name = parser_take_name(p);
	struct trees args = {0};

	if (parser_is(p, "(")) {
		do {
			parser_advance(p);
			trees_add(p, &args, parse_expression(p));
		} while (parser_is(p, ";"));
		parser_expect(p, ")");
	} else if (slice_eq(name, SLICE("true"))) {
		return tree_constant(p, VAL(VAL_TRUE));
	} else if (slice_eq(name, SLICE("false"))) {
		return tree_constant(p, VAL(VAL_FALSE));
	} else if (slice_eq(name, SLICE("null"))) {
		return tree_constant(p, VAL(VAL_NULL));
	}
	struct tree *t = tree_of_list(p, TREE_CALL, &args);
	if (t)
		t->name = name;
	return t;
}

static struct tree *parse_number(struct parser *p)
{
	jv j = jv_parse_sized(p->t.text.data, (int)p->t.text.len);

	if (jv_get_kind(j) != JV_KIND_NUMBER) {
		jv_free(j);
		return parser_fail(p);
	}
	parser_advance(p);
	return tree_constant(p, val_of_jv(j));
}

/* What is made of constants is one, and not made anew each time. */
static struct tree *array_of(struct parser *p, struct tree *t)
{
	if (!t)
		return NULL;
	struct tree *const *list = t->kind == TREE_COMMA ? t->list : &t;
	unsigned n = t->kind == TREE_COMMA ? t->n : 1;
	for (unsigned i = 0; i < n; i++)
		if (list[i]->kind != TREE_CONST)
			return tree_node(p, TREE_ARRAY, t, NULL);
	struct val array = val_array(n);
	for (unsigned i = 0; i < n; i++)
		array = val_push(array, val_copy(list[i]->value));
	return tree_constant(p, array);
}

static struct tree *parse_array(struct parser *p)
{
	parser_advance(p);
	if (parser_take(p, "]"))
		return tree_constant(p, val_array(0));
	return array_of(p, parse_in(p, "]"));
}

static struct tree *parse_first_term(struct parser *p)
{
	struct token t = p->t;

	switch (t.kind) {
	case TOKEN_FIELD:
		return parse_name_index(p, NULL);
	case TOKEN_NUMBER:
		return parse_number(p);
	case TOKEN_NAME:
		return parse_call(p);
	case TOKEN_QUOTE:
		return parse_formatted(p);
	case TOKEN_FORMAT:
		parser_advance(p);
		if (p->t.kind == TOKEN_QUOTE)
			return parse_string(p, t.text);
		struct tree *format = tree_named(p, TREE_FORMAT, t.text);
		return format;
	case TOKEN_END:
	case TOKEN_BAD:
		return parser_fail(p);
	default:
		break;
	}
	if (parser_is(p, "$"))
		return parse_variable(p);
	if (parser_is(p, "["))
		return parse_array(p);
	if (parser_take(p, "("))
		return parse_in(p, ")");
	if (parser_take(p, "{"))
		return parse_object(p);
	if (parser_take(p, ".."))
		return tree_node(p, TREE_RECURSE, NULL, NULL);
	if (parser_take(p, "break"))
		return parser_expect(p, "$") ? tree_named(p, TREE_BREAK, parser_take_variable(p)) : NULL;
	if (!parser_take(p, "."))
		return parser_fail(p);
	if (parser_at_string(p))
		return optional(p, tree_node(p, TREE_INDEX, NULL, parse_formatted(p)));
	return tree_node(p, TREE_DOT, NULL, NULL);
}

struct tree *parse_term(struct parser *p)
{
	if (++p->depth > PARSE_DEEPEST)
		return parser_fail_as(p, PARSE_DEEP);
	struct tree *t = parse_first_term(p);
	while (t && !p->p->error) {
		if (p->t.kind == TOKEN_FIELD) {
			t = parse_name_index(p, t);
		} else if (parser_is(p, "[")) {
			t = parse_brackets(p, t);
		} else if (parser_is(p, ".")) {
			parser_advance(p);
			if (p->p->later && parser_is(p, "["))
				continue;
			if (!parser_at_string(p))
				return parser_fail(p);
			t = optional(p, tree_node(p, TREE_INDEX, t, parse_formatted(p)));
		} else {
			break;
		}
	}
	p->depth--;
	return p->p->error ? NULL : t;
}
