#include "model/jq/parse.h"

#include <jv.h>
#include <math.h>

#include "model/jq/bridge.h"
#include "model/jq/compare.h"
#include "model/jq/token.h"

#define DEEPEST 1000

struct arena {
	struct arena *next;
	size_t used, size;
	max_align_t data[];
};

struct parser {
	struct parse *p;
	const char *end;
	struct token t; /* the next one */
	unsigned depth;
	unsigned key_depth; /* of the keys in patterns */
};

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

static struct tree *parse_expression(struct parser *p, int above);
static struct tree *parse_term(struct parser *p);

void *parse_alloc(struct parse *p, size_t size)
{
	struct arena *a = p->memory;

	size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (!a || a->size - a->used < size) {
		size_t whole = max(size, (size_t)8192);
		a = val_alloc(sizeof(*a) + whole);
		*a = (struct arena){.next = p->memory, .size = whole};
		p->memory = a;
	}
	void *at = (char *)a->data + a->used;
	a->used += size;
	return memset(at, 0, size);
}

/* The parser goes on after an error as if nothing were left: what it makes then is thrown away. */
static void *fail_as(struct parser *p, enum parse_error error)
{
	if (!p->p->error) {
		p->p->error = error;
		p->p->at = p->t.text;
	}
	p->t = (struct token){TOKEN_END, {p->end, 0}};
	return NULL;
}

static void *fail(struct parser *p)
{
	return fail_as(p, PARSE_SYNTAX);
}

static void advance(struct parser *p)
{
	p->t = token_read(p->t.text.data + p->t.text.len, p->end);
}

static bool is(const struct parser *p, const char *text)
{
	return token_is(&p->t, text);
}

static bool take(struct parser *p, const char *text)
{
	if (!is(p, text))
		return false;
	advance(p);
	return true;
}

static bool expect(struct parser *p, const char *text)
{
	return take(p, text) || fail(p) != NULL;
}

static struct slice take_name(struct parser *p)
{
	struct slice name = p->t.text;

	if (p->t.kind == TOKEN_NAME)
		advance(p);
	else
		fail(p);
	return name;
}

static unsigned depth_of(const struct tree *t)
{
	return t ? t->depth : 0;
}

static struct tree *grown(struct parser *p, struct tree *t)
{
	const struct tree *const parts[] = {t->a, t->b, t->c, t->d};
	unsigned depth = t->patterns ? p->key_depth : 0;

	for (size_t i = 0; i < countof(parts); i++)
		depth = max(depth, depth_of(parts[i]));

	for (unsigned i = 0; i < t->n; i++)
		depth = max(depth, depth_of(t->list[i]));
	t->depth = depth + 1;
	return t->depth > DEEPEST ? fail_as(p, PARSE_DEEP) : t;
}

static struct tree *node(struct parser *p, enum tree_kind kind, struct tree *a, struct tree *b)
{
	struct tree *t = parse_alloc(p->p, sizeof(*t));

	t->kind = kind;
	t->a = a;
	t->b = b;
	return grown(p, t);
}

static struct tree *constant(struct parser *p, struct val v)
{
	struct tree *t = node(p, TREE_CONST, NULL, NULL);

	if (!t) {
		val_free(v);
		return NULL;
	}
	t->value = v;
	t->next_constant = p->p->constants;
	p->p->constants = t;
	return t;
}

static struct tree *string_constant(struct parser *p, struct slice s)
{
	return constant(p, val_of_jv(jv_string_sized(s.data, (int)s.len)));
}

static struct tree *named(struct parser *p, enum tree_kind kind, struct slice name)
{
	struct tree *t = node(p, kind, NULL, NULL);

	if (t)
		t->name = name;
	return t;
}

/* Lists that grow. */
struct trees {
	struct tree **list;
	unsigned n, cap;
};

static void add(struct parser *p, struct trees *l, struct tree *t)
{
	if (l->n == l->cap) {
		unsigned cap = l->cap ? l->cap * 2 : 4;
		struct tree **list = parse_alloc(p->p, cap * sizeof(*list));
		if (l->n)
			memcpy(list, l->list, l->n * sizeof(*list));
		l->list = list;
		l->cap = cap;
	}
	l->list[l->n++] = t;
}

static struct tree *of_list(struct parser *p, enum tree_kind kind, struct trees *l)
{
	struct tree *t = parse_alloc(p->p, sizeof(*t));

	t->kind = kind;
	t->list = l->list;
	t->n = l->n;
	return p->p->error ? NULL : grown(p, t);
}

/* jq computes with constants when it compiles, and not quite as when it runs. */
static struct val fold_numbers(enum tree_op op, double a, double b)
{
	switch (op) {
	case OP_ADD:
		return val_number(a + b);
	case OP_SUBTRACT:
		return val_number(a - b);
	case OP_MULTIPLY:
		return val_number(a * b);
	case OP_DIVIDE:
		return val_number(a / b);
	case OP_EQUAL:
		return val_bool(a == b);
	case OP_UNEQUAL:
		return val_bool(a != b);
	case OP_LESS:
		return val_bool(a < b);
	case OP_LESS_EQUAL:
		return val_bool(a <= b);
	case OP_GREATER:
		return val_bool(a > b);
	case OP_GREATER_EQUAL:
		return val_bool(a >= b);
	default:
		return VAL(VAL_NONE);
	}
}

static struct tree *fold(struct parser *p, enum tree_op op, struct tree *a, struct tree *b)
{
	if (a->kind != TREE_CONST || b->kind != TREE_CONST)
		return NULL;
	if (op == OP_ADD && a->value.kind == VAL_NULL)
		return b;
	if (op == OP_ADD && b->value.kind == VAL_NULL)
		return a;
	if (a->value.kind == VAL_NUMBER && b->value.kind == VAL_NUMBER) {
		struct val v = fold_numbers(op, a->value.u.number, b->value.u.number);
		return v.kind ? constant(p, v) : NULL;
	}
	if (op == OP_ADD && a->value.kind == VAL_STRING && b->value.kind == VAL_STRING) {
		struct slice more = val_slice(b->value);
		return constant(p, val_append(val_copy(a->value), more.data, more.len));
	}
	return NULL;
}

static struct tree *binary(struct parser *p, enum tree_op op, struct tree *a, struct tree *b)
{
	if (!a || !b)
		return NULL;
	struct tree *t = fold(p, op, a, b);
	if (!t) {
		t = node(p, TREE_BINARY, a, b);
		if (t)
			t->op = op;
	} else if (op == OP_DIVIDE && t->value.kind == VAL_NUMBER && isinf(t->value.u.number)) {
		return fail(p);
	}
	return t;
}

/* Strings. */

static struct tree *escapes(struct parser *p, struct slice text)
{
	struct val_string *quoted = val_string_sized("\"", 1, text.len + 2);

	memcpy(quoted->data + 1, text.data, text.len);
	quoted->data[text.len + 1] = '"';
	jv j = jv_parse_sized(quoted->data, (int)text.len + 2);
	free(quoted);
	if (jv_get_kind(j) == JV_KIND_STRING)
		return constant(p, val_of_jv(j));
	jv_free(j);
	return fail(p);
}

static struct tree *interpolation(struct parser *p, const char **at, struct slice format)
{
	p->t = (struct token){TOKEN_OP, {*at, 0}};
	advance(p);
	struct tree *t = parse_expression(p, 0);
	if (!is(p, ")"))
		return fail(p);
	*at = p->t.text.data + 1;
	struct tree *formatted = t ? node(p, TREE_FORMAT, t, NULL) : NULL;
	if (formatted)
		formatted->name = format;
	return formatted;
}

/* The quote is the next token. */
static struct tree *parse_string(struct parser *p, struct slice format)
{
	const char *at = p->t.text.data + 1;
	struct tree *whole = string_constant(p, (struct slice){"", 0}), *piece;
	struct slice text;

	for (;;) {
		enum string_piece kind = token_string(&at, p->end, &text);
		p->t.text = (struct slice){p->t.text.data, 1};
		if (kind == STRING_END)
			break;
		if (kind == STRING_TEXT)
			piece = string_constant(p, text);
		else if (kind == STRING_ESCAPES)
			piece = escapes(p, text);
		else if (kind == STRING_CODE)
			piece = interpolation(p, &at, format);
		else
			piece = fail(p);
		if (!piece || !whole)
			return NULL;
		whole = binary(p, OP_ADD, whole, piece);
	}
	p->t = (struct token){TOKEN_OP, {at, 0}};
	advance(p);
	return whole;
}

/* A string, with its format in front where it has one. */
static struct tree *parse_formatted(struct parser *p)
{
	struct slice format = SLICE("text");

	if (p->t.kind == TOKEN_FORMAT) {
		format = p->t.text;
		advance(p);
		if (p->t.kind != TOKEN_QUOTE)
			return fail(p);
	}
	return parse_string(p, format);
}

static bool at_string(const struct parser *p)
{
	return p->t.kind == TOKEN_QUOTE || p->t.kind == TOKEN_FORMAT;
}

/* Patterns. */

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

static struct tree *key_in_parentheses(struct parser *p)
{
	expect(p, "(");
	struct tree *key = parse_expression(p, 0);
	expect(p, ")");
	if (key && is_known(key, false) && !(key->kind == TREE_CONST && key->value.kind == VAL_STRING))
		return fail(p);
	return key;
}

static void parse_member_pattern(struct parser *p, struct pattern *m)
{
	bool needs_value = true;

	if (take(p, "$")) {
		m->name = take_name(p);
		m->key = string_constant(p, m->name);
		needs_value = false;
	} else if (p->t.kind == TOKEN_NAME || p->t.kind == TOKEN_KEYWORD) {
		m->key = string_constant(p, p->t.text);
		advance(p);
	} else if (at_string(p)) {
		m->key = parse_formatted(p);
	} else {
		m->key = key_in_parentheses(p);
	}
	p->key_depth = max(p->key_depth, depth_of(m->key));
	if (needs_value ? expect(p, ":") : take(p, ":"))
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
	} while (take(p, ","));
	expect(p, close);
	return whole;
}

static struct pattern *parse_pattern(struct parser *p)
{
	struct pattern *whole = NULL;

	if (++p->depth > DEEPEST)
		fail_as(p, PARSE_DEEP);
	if (take(p, "$")) {
		whole = parse_alloc(p->p, sizeof(*whole));
		whole->name = take_name(p);
	} else if (take(p, "[")) {
		whole = parse_list_pattern(p, PATTERN_ARRAY, "]");
	} else if (take(p, "{")) {
		whole = parse_list_pattern(p, PATTERN_OBJECT, "}");
	} else {
		fail(p);
	}
	p->depth--;
	return whole;
}

static struct pattern *parse_patterns(struct parser *p)
{
	struct pattern *first = parse_pattern(p), *last = first;

	while (take(p, "?//")) {
		struct pattern *next = parse_pattern(p);
		if (last)
			last->alternative = next;
		last = next;
	}
	return first;
}

/* Terms. */

static struct tree *parse_in(struct parser *p, const char *close)
{
	struct tree *t = parse_expression(p, 0);

	expect(p, close);
	return t;
}

static struct tree *optional(struct parser *p, struct tree *t)
{
	if (take(p, "?") && t)
		t->optional = true;
	return t;
}

static struct tree *parse_brackets(struct parser *p, struct tree *of)
{
	struct tree *from = NULL, *to = NULL;

	expect(p, "[");
	if (take(p, "]"))
		return optional(p, node(p, TREE_EACH, of, NULL));
	if (!is(p, ":"))
		from = parse_expression(p, 0);
	if (!take(p, ":")) {
		expect(p, "]");
		return optional(p, node(p, TREE_INDEX, of, from));
	}
	if (!is(p, "]"))
		to = parse_expression(p, 0);
	else if (!from)
		return fail(p);
	expect(p, "]");
	struct tree *t = node(p, TREE_SLICE, of, from);
	if (!t)
		return NULL;
	t->c = to;
	return optional(p, grown(p, t));
}

static struct tree *parse_name_index(struct parser *p, struct tree *of)
{
	struct tree *key = string_constant(p, p->t.text);

	advance(p);
	return optional(p, node(p, TREE_INDEX, of, key));
}

/* ExpD: what may stand as a value in an object without parentheses. */
static struct tree *parse_member_value(struct parser *p)
{
	struct trees list = {0};

	if (++p->depth > DEEPEST)
		return fail_as(p, PARSE_DEEP);
	do {
		unsigned minus = 0;
		while (take(p, "-"))
			minus++;
		struct tree *t = parse_term(p);
		while (t && minus-- > 0)
			t = node(p, TREE_NEGATE, t, NULL);
		add(p, &list, t);
	} while (take(p, "|"));
	p->depth--;
	return list.n == 1 ? list.list[0] : of_list(p, TREE_PIPE, &list);
}

static void parse_member(struct parser *p, struct trees *list)
{
	struct tree *key, *value = NULL;
	bool may_stand_alone = true;

	if (take(p, "$")) {
		key = string_constant(p, p->t.text);
		value = named(p, TREE_VARIABLE, p->t.text);
		take_name(p);
		add(p, list, key);
		add(p, list, value);
		return;
	}
	if (p->t.kind == TOKEN_NAME || p->t.kind == TOKEN_KEYWORD) {
		may_stand_alone = p->t.kind == TOKEN_NAME;
		key = string_constant(p, p->t.text);
		advance(p);
	} else if (at_string(p)) {
		key = parse_formatted(p);
	} else {
		may_stand_alone = false;
		key = key_in_parentheses(p);
	}
	if (take(p, ":"))
		value = parse_member_value(p);
	else if (!may_stand_alone)
		fail(p);
	add(p, list, key);
	add(p, list, value);
}

static struct tree *object_of(struct parser *p, struct trees *members)
{
	for (unsigned i = 0; i < members->n; i++) {
		const struct tree *t = members->list[i];
		if (!t || t->kind != TREE_CONST || (i % 2 == 0 && t->value.kind != VAL_STRING))
			return of_list(p, TREE_OBJECT, members);
	}
	struct val object = val_object(max(members->n / 2, 1u));
	for (unsigned i = 0; i < members->n; i += 2)
		object =
		    val_set(object, val_copy(members->list[i]->value), val_copy(members->list[i + 1]->value));
	return constant(p, object);
}

static struct tree *parse_object(struct parser *p)
{
	struct trees list = {0};

	while (!is(p, "}") && !p->p->error) {
		parse_member(p, &list);
		if (!take(p, ","))
			break;
	}
	expect(p, "}");
	return p->p->error ? NULL : object_of(p, &list);
}

static struct tree *parse_call(struct parser *p)
{
	struct slice name = take_name(p);
	struct trees args = {0};

	if (is(p, "(")) {
		do {
			advance(p);
			add(p, &args, parse_expression(p, 0));
		} while (is(p, ";"));
		expect(p, ")");
	} else if (slice_eq(name, SLICE("true"))) {
		return constant(p, VAL(VAL_TRUE));
	} else if (slice_eq(name, SLICE("false"))) {
		return constant(p, VAL(VAL_FALSE));
	} else if (slice_eq(name, SLICE("null"))) {
		return constant(p, VAL(VAL_NULL));
	}
	struct tree *t = of_list(p, TREE_CALL, &args);
	if (t)
		t->name = name;
	return t;
}

static struct tree *parse_number(struct parser *p)
{
	jv j = jv_parse_sized(p->t.text.data, (int)p->t.text.len);

	if (jv_get_kind(j) != JV_KIND_NUMBER) {
		jv_free(j);
		return fail(p);
	}
	advance(p);
	return constant(p, val_of_jv(j));
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
	return constant(p, object);
}

static struct tree *parse_variable(struct parser *p)
{
	const char *dollar = p->t.text.data;

	advance(p);
	if (take(p, "__loc__"))
		return location(p, dollar);
	return named(p, TREE_VARIABLE, take_name(p));
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
			return node(p, TREE_ARRAY, t, NULL);
	struct val array = val_array(n);
	for (unsigned i = 0; i < n; i++)
		array = val_push(array, val_copy(list[i]->value));
	return constant(p, array);
}

static struct tree *parse_array(struct parser *p)
{
	advance(p);
	if (take(p, "]"))
		return constant(p, val_array(0));
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
		advance(p);
		if (p->t.kind == TOKEN_QUOTE)
			return parse_string(p, t.text);
		struct tree *format = named(p, TREE_FORMAT, t.text);
		return format;
	case TOKEN_END:
	case TOKEN_BAD:
		return fail(p);
	default:
		break;
	}
	if (is(p, "$"))
		return parse_variable(p);
	if (is(p, "["))
		return parse_array(p);
	if (take(p, "("))
		return parse_in(p, ")");
	if (take(p, "{"))
		return parse_object(p);
	if (take(p, ".."))
		return node(p, TREE_RECURSE, NULL, NULL);
	if (take(p, "break"))
		return expect(p, "$") ? named(p, TREE_BREAK, take_name(p)) : NULL;
	if (!take(p, "."))
		return fail(p);
	if (at_string(p))
		return optional(p, node(p, TREE_INDEX, NULL, parse_formatted(p)));
	return node(p, TREE_DOT, NULL, NULL);
}

static struct tree *parse_term(struct parser *p)
{
	if (++p->depth > DEEPEST)
		return fail_as(p, PARSE_DEEP);
	struct tree *t = parse_first_term(p);
	while (t && !p->p->error) {
		if (p->t.kind == TOKEN_FIELD) {
			t = parse_name_index(p, t);
		} else if (is(p, "[")) {
			t = parse_brackets(p, t);
		} else if (is(p, ".")) {
			advance(p);
			if (!at_string(p))
				return fail(p);
			t = optional(p, node(p, TREE_INDEX, t, parse_formatted(p)));
		} else {
			break;
		}
	}
	p->depth--;
	return p->p->error ? NULL : t;
}

/* Expressions. */

static struct tree *parse_if(struct parser *p)
{
	if (++p->depth > DEEPEST)
		return fail_as(p, PARSE_DEEP);
	struct tree *condition = parse_expression(p, 0), *other = NULL;
	expect(p, "then");
	struct tree *then = parse_expression(p, 0);
	if (take(p, "elif")) {
		other = parse_if(p);
	} else {
		expect(p, "else");
		other = parse_expression(p, 0);
		expect(p, "end");
	}
	p->depth--;
	struct tree *t = node(p, TREE_IF, condition, then);
	if (!t)
		return NULL;
	t->c = other;
	return grown(p, t);
}

static struct tree *parse_loop(struct parser *p, enum tree_kind kind)
{
	struct tree *source = parse_term(p), *parts[3] = {NULL};
	unsigned n = 0, most = kind == TREE_FOREACH ? 3 : 2;

	expect(p, "as");
	struct pattern *patterns = parse_patterns(p);
	expect(p, "(");
	do
		parts[n++] = parse_expression(p, 0);
	while (n < most && take(p, ";"));
	expect(p, ")");
	if (n < 2)
		return fail(p);
	struct tree *t = node(p, kind, source, parts[0]);
	if (!t)
		return NULL;
	t->c = parts[1];
	t->d = parts[2];
	t->patterns = patterns;
	return grown(p, t);
}

static struct definition *parse_definition(struct parser *p)
{
	struct definition *def = parse_alloc(p->p, sizeof(*def));
	unsigned cap = 0;

	def->name = take_name(p);
	if (is(p, "(")) {
		do {
			advance(p);
			if (def->n == cap) {
				cap = cap ? cap * 2 : 4;
				struct parameter *list = parse_alloc(p->p, cap * sizeof(*list));
				if (def->n)
					memcpy(list, def->parameters, def->n * sizeof(*list));
				def->parameters = list;
			}
			bool value = take(p, "$");
			def->parameters[def->n++] = (struct parameter){take_name(p), value};
		} while (is(p, ";"));
		expect(p, ")");
	}
	expect(p, ":");
	def->body = parse_expression(p, 0);
	expect(p, ";");
	return def;
}

static struct tree *parse_def(struct parser *p)
{
	struct definition *def = parse_definition(p);

	/* Definitions with nothing behind them are a program, but not one that says what it makes. */
	if (p->t.kind == TOKEN_END && !p->p->error)
		p->p->only_definitions = true;
	struct tree *t = node(p, TREE_DEF, parse_expression(p, 0), def->body);
	if (t)
		t->def = def;
	return t;
}

static struct tree *parse_label(struct parser *p)
{
	expect(p, "$");
	struct slice name = take_name(p);
	expect(p, "|");
	struct tree *t = node(p, TREE_LABEL, parse_expression(p, 0), NULL);
	if (t)
		t->name = name;
	return t;
}

static struct tree *parse_try(struct parser *p)
{
	struct tree *body = parse_expression(p, BIND_TRY);

	return node(p, TREE_TRY, body, take(p, "catch") ? parse_expression(p, BIND_TRY) : NULL);
}

static struct tree *parse_operand(struct parser *p)
{
	if (take(p, "def"))
		return parse_def(p);
	if (take(p, "reduce"))
		return parse_loop(p, TREE_REDUCE);
	if (take(p, "foreach"))
		return parse_loop(p, TREE_FOREACH);
	if (take(p, "if"))
		return parse_if(p);
	if (take(p, "try"))
		return parse_try(p);
	if (take(p, "label"))
		return parse_label(p);
	if (take(p, "-")) {
		struct tree *t = parse_expression(p, BIND_ADD);
		return t ? node(p, TREE_NEGATE, t, NULL) : NULL;
	}
	struct tree *term = parse_term(p);
	if (!term || !take(p, "as"))
		return term;
	struct pattern *patterns = parse_patterns(p);
	expect(p, "|");
	struct tree *t = node(p, TREE_AS, term, parse_expression(p, 0));
	if (!t)
		return NULL;
	t->patterns = patterns;
	return grown(p, t);
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
		if (is(p, operators[i].text))
			return &operators[i];
	return NULL;
}

/* a | b | c and a, b, c are lists, so that long ones are not deep. */
static struct tree *parse_list(struct parser *p, struct tree *first, const struct operator* op)
{
	struct trees list = {0};

	add(p, &list, first);
	while (take(p, op->text))
		add(p, &list, parse_expression(p, op->binding));
	return of_list(p, op->kind, &list);
}

static struct tree *parse_binary(struct parser *p, struct tree *left, const struct operator* op)
{
	if (op->binding == BIND_PIPE || op->binding == BIND_COMMA)
		return parse_list(p, left, op);
	advance(p);
	if (op->binding == BIND_OPTIONAL)
		return node(p, TREE_TRY, left, NULL);
	/* `//` binds to the right. */
	struct tree *right = parse_expression(p, op->binding - (op->binding == BIND_ELSE));
	const struct operator* next = operator_at(p);
	bool alone = op->binding == BIND_ASSIGN || op->binding == BIND_COMPARE;
	if (alone && next && next->binding == op->binding)
		return fail(p);
	if (!right)
		return NULL;
	if (op->kind == TREE_BINARY)
		return binary(p, op->op, left, right);
	struct tree *t = node(p, op->kind, left, right);
	if (t)
		t->op = op->op;
	return t;
}

/* Takes the operators that bind closer than `above`. */
static struct tree *parse_expression(struct parser *p, int above)
{
	const struct operator* op;

	if (++p->depth > DEEPEST)
		return fail_as(p, PARSE_DEEP);
	struct tree *t = parse_operand(p);
	while (t && !p->p->error && (op = operator_at(p)) && (int)op->binding > above)
		t = parse_binary(p, t, op);
	p->depth--;
	return p->p->error ? NULL : t;
}

void parse_init(struct parse *ret, struct slice program)
{
	*ret = (struct parse){.program = program};
	struct parser p = {.p = ret, .end = program.data + program.len};

	p.t = token_read(program.data, p.end);
	if (p.t.kind == TOKEN_END)
		return;
	if (is(&p, "import") || is(&p, "include") || is(&p, "module")) {
		fail_as(&p, PARSE_MODULE);
		return;
	}
	ret->tree = parse_expression(&p, 0);
	if (!ret->error && p.t.kind != TOKEN_END)
		fail(&p);
	if (ret->error)
		ret->tree = NULL;
}

unsigned parse_definitions(struct parse *ret, struct slice program, struct definition **list, unsigned cap)
{
	struct parse own = {.memory = ret->memory, .constants = ret->constants};
	struct parser p = {.p = &own, .end = program.data + program.len};
	unsigned n = 0;

	p.t = token_read(program.data, p.end);
	while (n < cap && take(&p, "def"))
		list[n++] = parse_definition(&p);
	ret->memory = own.memory;
	ret->constants = own.constants;
	return own.error ? 0 : n;
}

void parse_deinit(struct parse *p)
{
	for (struct tree *t = p->constants; t; t = t->next_constant)
		val_free(t->value);
	while (p->memory) {
		struct arena *next = p->memory->next;
		free(p->memory);
		p->memory = next;
	}
}
