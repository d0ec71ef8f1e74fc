/* Expressions: operators and how they bind, and what begins with a word. */
#include "model/host/jq/parser.h"

/* The steps at which operators bind. */
enum binding {
	BIND_PIPE = 1,
	BIND_COMMA,
	BIND_ELSE,
	BIND_ASSIGN, /* not with another one */
	BIND_OR,
	BIND_AND,
	BIND_COMPARE, /* not with another one */
	BIND_ADD,
	BIND_MULTIPLY,
	BIND_OPTIONAL,
	BIND_TRY,
};

static struct tree *parse_above(struct parser *p, int above);

static struct tree *parse_if(struct parser *p)
{
	if (++p->depth > PARSE_DEEPEST)
		return parser_fail_as(p, PARSE_DEEP);
	struct tree *condition = parse_expression(p), *other = NULL;
	parser_expect(p, "then");
	struct tree *then = parse_expression(p);
	if (parser_take(p, "elif")) {
		other = parse_if(p);
	} else if (p->p->later && parser_take(p, "end")) {
		other = tree_node(p, TREE_DOT, NULL, NULL);
	} else {
		parser_expect(p, "else");
		other = parse_expression(p);
		parser_expect(p, "end");
	}
	p->depth--;
	struct tree *t = tree_node(p, TREE_IF, condition, then);
	if (!t)
		return NULL;
	t->c = other;
	return tree_grown(p, t);
}

static struct tree *parse_loop(struct parser *p, enum tree_kind kind)
{
	struct tree *source = parse_term(p), *parts[3] = {NULL};
	unsigned n = 0, most = kind == TREE_FOREACH ? 3 : 2;

	parser_expect(p, "as");
	struct pattern *patterns = parse_patterns(p);
	parser_expect(p, "(");
	do
		parts[n++] = parse_expression(p);
	while (n < most && parser_take(p, ";"));
	parser_expect(p, ")");
	if (n < 2)
		return parser_fail(p);
	struct tree *t = tree_node(p, kind, source, parts[0]);
	if (!t)
		return NULL;
	t->c = parts[1];
	t->d = parts[2];
	t->patterns = patterns;
	return tree_grown(p, t);
}

struct definition *parse_definition(struct parser *p)
{
	struct definition *def = parse_alloc(p->p, sizeof(*def));
	unsigned cap = 0;

	def->name = parser_take_name(p);
	if (parser_is(p, "(")) {
		do {
			parser_advance(p);
			if (def->n == cap) {
				cap = cap ? cap * 2 : 4;
				struct parameter *list = parse_alloc(p->p, cap * sizeof(*list));
				if (def->n)
					memcpy(list, def->parameters, def->n * sizeof(*list));
				def->parameters = list;
			}
			bool value = parser_take(p, "$");
			struct slice name = value ? parser_take_variable(p) : parser_take_name(p);
			def->parameters[def->n++] = (struct parameter){name, value};
		} while (parser_is(p, ";"));
		parser_expect(p, ")");
	}
	parser_expect(p, ":");
	def->body = parse_expression(p);
	parser_expect(p, ";");
	return def;
}

static struct tree *parse_def(struct parser *p)
{
	struct definition *def = parse_definition(p);

	/* Definitions with nothing behind them are a program, but not one that says what it makes. */
	if (p->t.kind == TOKEN_END && !p->p->error)
		p->p->only_definitions = true;
	struct tree *t = tree_node(p, TREE_DEF, parse_expression(p), def->body);
	if (t)
		t->def = def;
	return t;
}

static struct tree *parse_label(struct parser *p)
{
	parser_expect(p, "$");
	struct slice name = parser_take_variable(p);
	parser_expect(p, "|");
	struct tree *t = tree_node(p, TREE_LABEL, parse_expression(p), NULL);
	if (t)
		t->name = name;
	return t;
}

static struct tree *parse_try(struct parser *p)
{
	struct tree *body = parse_above(p, BIND_TRY);

	return tree_node(p, TREE_TRY, body, parser_take(p, "catch") ? parse_above(p, BIND_TRY) : NULL);
}

static struct tree *parse_operand(struct parser *p)
{
	if (parser_take(p, "def"))
		return parse_def(p);
	if (parser_take(p, "reduce"))
		return parse_loop(p, TREE_REDUCE);
	if (parser_take(p, "foreach"))
		return parse_loop(p, TREE_FOREACH);
	if (parser_take(p, "if"))
		return parse_if(p);
	if (parser_take(p, "try"))
		return parse_try(p);
	if (parser_take(p, "label"))
		return parse_label(p);
	if (parser_take(p, "-")) {
		struct tree *t = parse_above(p, BIND_ADD);
		return t ? tree_node(p, TREE_NEGATE, t, NULL) : NULL;
	}
	struct tree *term = parse_term(p);
	if (!term || !parser_take(p, "as"))
		return term;
	struct pattern *patterns = parse_patterns(p);
	parser_expect(p, "|");
	struct tree *t = tree_node(p, TREE_AS, term, parse_expression(p));
	if (!t)
		return NULL;
	t->patterns = patterns;
	return tree_grown(p, t);
}

struct operator
{
	const char *text;
	enum binding binding;
	enum tree_kind kind;
	enum tree_op op;
};

static const struct operator* operator_at(const struct parser *p)
{
	static const struct operator operators[] = {
	    {"|", BIND_PIPE, TREE_PIPE, 0},
	    {",", BIND_COMMA, TREE_COMMA, 0},
	    {"//", BIND_ELSE, TREE_ELSE, 0},
	    {"=", BIND_ASSIGN, TREE_ASSIGN, 0},
	    {"|=", BIND_ASSIGN, TREE_MODIFY, 0},
	    {"//=", BIND_ASSIGN, TREE_UPDATE_ELSE, 0},
	    {"+=", BIND_ASSIGN, TREE_UPDATE, OP_ADD},
	    {"-=", BIND_ASSIGN, TREE_UPDATE, OP_SUBTRACT},
	    {"*=", BIND_ASSIGN, TREE_UPDATE, OP_MULTIPLY},
	    {"/=", BIND_ASSIGN, TREE_UPDATE, OP_DIVIDE},
	    {"%=", BIND_ASSIGN, TREE_UPDATE, OP_MODULO},
	    {"or", BIND_OR, TREE_OR, 0},
	    {"and", BIND_AND, TREE_AND, 0},
	    {"==", BIND_COMPARE, TREE_BINARY, OP_EQUAL},
	    {"!=", BIND_COMPARE, TREE_BINARY, OP_UNEQUAL},
	    {"<", BIND_COMPARE, TREE_BINARY, OP_LESS},
	    {"<=", BIND_COMPARE, TREE_BINARY, OP_LESS_EQUAL},
	    {">", BIND_COMPARE, TREE_BINARY, OP_GREATER},
	    {">=", BIND_COMPARE, TREE_BINARY, OP_GREATER_EQUAL},
	    {"+", BIND_ADD, TREE_BINARY, OP_ADD},
	    {"-", BIND_ADD, TREE_BINARY, OP_SUBTRACT},
	    {"*", BIND_MULTIPLY, TREE_BINARY, OP_MULTIPLY},
	    {"/", BIND_MULTIPLY, TREE_BINARY, OP_DIVIDE},
	    {"%", BIND_MULTIPLY, TREE_BINARY, OP_MODULO},
	    {"?", BIND_OPTIONAL, TREE_TRY, 0},
	};

	if (p->t.kind != TOKEN_OP && p->t.kind != TOKEN_KEYWORD)
		return NULL;
	for (size_t i = 0; i < countof(operators); i++)
		if (parser_is(p, operators[i].text))
			return &operators[i];
	return NULL;
}

/* a | b | c and a, b, c are lists, so that long ones are not deep. */
static struct tree *parse_list(struct parser *p, struct tree *first, const struct operator* op)
{
	struct trees list = {0};

	trees_add(p, &list, first);
	while (parser_take(p, op->text))
		trees_add(p, &list, parse_above(p, op->binding));
	return tree_of_list(p, op->kind, &list);
}

static struct tree *parse_binary(struct parser *p, struct tree *left, const struct operator* op)
{
	if (op->binding == BIND_PIPE || op->binding == BIND_COMMA)
		return parse_list(p, left, op);
	parser_advance(p);
	if (op->binding == BIND_OPTIONAL)
		return tree_node(p, TREE_TRY, left, NULL);
	/* `//` binds to the right. */
	struct tree *right = parse_above(p, op->binding - (op->binding == BIND_ELSE));
	const struct operator* next = operator_at(p);
	bool alone = op->binding == BIND_ASSIGN || op->binding == BIND_COMPARE;
	if (alone && next && next->binding == op->binding)
		return parser_fail(p);
	if (!right)
		return NULL;
	if (op->kind == TREE_BINARY)
		return tree_binary(p, op->op, left, right);
	struct tree *t = tree_node(p, op->kind, left, right);
	if (t)
		t->op = op->op;
	return t;
}

/* Takes the operators that bind closer than `above`. */
static struct tree *parse_above(struct parser *p, int above)
{
	const struct operator* op;

	if (++p->depth > PARSE_DEEPEST)
		return parser_fail_as(p, PARSE_DEEP);
	struct tree *t = parse_operand(p);
	while (t && !p->p->error && (op = operator_at(p)) && (int)op->binding > above)
		t = parse_binary(p, t, op);
	p->depth--;
	return p->p->error ? NULL : t;
}

struct tree *parse_expression(struct parser *p)
{
	return parse_above(p, 0);
}
