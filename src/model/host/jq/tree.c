#include <jv.h>
#include <math.h>

#include "model/host/jq/bridge.h"
#include "model/host/jq/parser.h"

unsigned tree_depth(const struct tree *t)
{
	return t ? t->depth : 0;
}

struct tree *tree_grown(struct parser *p, struct tree *t)
{
	const struct tree *const parts[] = {t->a, t->b, t->c, t->d};
	unsigned depth = t->patterns ? p->key_depth : 0;

	for (size_t i = 0; i < countof(parts); i++)
		depth = max(depth, tree_depth(parts[i]));

	for (unsigned i = 0; i < t->n; i++)
		depth = max(depth, tree_depth(t->list[i]));
	t->depth = depth + 1;
	return t->depth > PARSE_DEEPEST ? parser_fail_as(p, PARSE_DEEP) : t;
}

struct tree *tree_node(struct parser *p, enum tree_kind kind, struct tree *a, struct tree *b)
{
	struct tree *t = parse_alloc(p->p, sizeof(*t));

	t->kind = kind;
	t->a = a;
	t->b = b;
	return tree_grown(p, t);
}

struct tree *tree_constant(struct parser *p, struct val v)
{
	struct tree *t = tree_node(p, TREE_CONST, NULL, NULL);

	if (!t) {
		val_free(v);
		return NULL;
	}
	t->value = v;
	t->next_constant = p->p->constants;
	p->p->constants = t;
	return t;
}

struct tree *tree_string(struct parser *p, struct slice s)
{
	return tree_constant(p, val_of_jv(jv_string_sized(s.data, (int)s.len)));
}

struct tree *tree_named(struct parser *p, enum tree_kind kind, struct slice name)
{
	struct tree *t = tree_node(p, kind, NULL, NULL);

	if (t)
		t->name = name;
	return t;
}

void trees_add(struct parser *p, struct trees *l, struct tree *t)
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

struct tree *tree_of_list(struct parser *p, enum tree_kind kind, struct trees *l)
{
	struct tree *t = parse_alloc(p->p, sizeof(*t));

	t->kind = kind;
	t->list = l->list;
	t->n = l->n;
	return p->p->error ? NULL : tree_grown(p, t);
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
		return v.kind ? tree_constant(p, v) : NULL;
	}
	if (op == OP_ADD && a->value.kind == VAL_STRING && b->value.kind == VAL_STRING) {
		struct slice more = val_slice(b->value);
		return tree_constant(p, val_append(val_copy(a->value), more.data, more.len));
	}
	return NULL;
}

struct tree *tree_binary(struct parser *p, enum tree_op op, struct tree *a, struct tree *b)
{
	if (!a || !b)
		return NULL;
	struct tree *t = fold(p, op, a, b);
	if (!t) {
		t = tree_node(p, TREE_BINARY, a, b);
		if (t)
			t->op = op;
	} else if (!p->p->later && op == OP_DIVIDE && t->value.kind == VAL_NUMBER &&
		   isinf(t->value.u.number)) {
		return parser_fail(p);
	}
	return t;
}
