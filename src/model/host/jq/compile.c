#include "model/host/jq/compiler.h"

#define DEEPEST 2000

static struct code *compile_list(struct compiler *c, enum code_kind kind, const struct tree *t,
				 struct scope *s)
{
	struct code *code = compiler_list(c, kind, t->n);

	for (unsigned i = 0; i < t->n; i++)
		code->list[i] = compile_tree(c, t->list[i], s);
	return compiler_finish(c, code);
}

static struct code *compile_object(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = compiler_list(c, CODE_OBJECT, t->n);

	for (unsigned i = 0; i + 1 < t->n; i += 2) {
		code->list[i] = compile_tree(c, t->list[i], s);
		/* {"name"}: the member of the input that the key names, whatever it is. */
		if (t->list[i + 1]) {
			code->list[i + 1] = compile_tree(c, t->list[i + 1], s);
		} else if (code->list[i] && !is_name(t->list[i])) {
			return compiler_give_up(c, "a key by itself that is computed", (struct slice){0});
		} else {
			struct tree member = {.kind = TREE_INDEX, .b = t->list[i]};
			code->list[i + 1] = compile_index(c, &member, s);
		}
	}
	return compiler_finish(c, code);
}

static struct code *compile_binary(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = compiler_list(c, CODE_BINARY, 2);

	code->op = t->op;
	code->list[0] = compile_tree(c, t->b, s);
	code->list[1] = compile_tree(c, t->a, s);
	return compiler_finish(c, code);
}

static struct code *compile_loop(struct compiler *c, const struct tree *t, struct scope *s,
				 enum code_kind kind)
{
	struct code *code = compiler_new_code(c, kind);

	code->a = compile_tree(c, t->a, s);
	code->b = compile_tree(c, t->b, s);
	code->slot = c->shape->n++;
	struct scope *inner = compile_patterns(c, t->patterns, s, &code->bind);
	code->c = compile_tree(c, t->c, inner);
	if (t->d)
		code->d = compile_tree(c, t->d, inner);
	return compiler_finish(c, code);
}

static struct code *compile_as(struct compiler *c, const struct tree *t, struct scope *s)
{
	const struct pattern *p = t->patterns;
	enum given what = p->kind == PATTERN_VARIABLE && !p->alternative ? given_of(t->a, s) : GIVEN_NONE;

	if (what) {
		struct scope *name = scope_push(c, s, SCOPE_VARIABLE, p->name);
		name->given = what;
		return compile_tree(c, t->b, name);
	}
	struct code *code = compiler_new_code(c, CODE_BIND);

	code->a = compile_tree(c, t->a, s);
	struct scope *inner = compile_patterns(c, t->patterns, s, &code->bind);
	code->b = compile_tree(c, t->b, inner);
	return compiler_finish(c, code);
}

static struct code *compile_label(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = compiler_new_code(c, CODE_LABEL);

	code->slot = c->shape->n++;
	code->a = compile_tree(c, t->a, scope_push_variable(c, s, SCOPE_LABEL, t->name, code->slot));
	return compiler_finish(c, code);
}

static struct code *compile_break(struct compiler *c, const struct tree *t, struct scope *s)
{
	const struct scope *label = scope_find_variable(s, SCOPE_LABEL, t->name);

	return label ? compiler_finish(c, scope_place(c, CODE_BREAK, label))
		     : compiler_give_up(c, "no such label:", t->name);
}

static struct code *compile_variable(struct compiler *c, const struct tree *t, struct scope *s)
{
	const struct scope *v = scope_find_variable(s, SCOPE_VARIABLE, t->name);

	if (v && !v->given)
		return compiler_finish(c, scope_place(c, CODE_VARIABLE, v));
	if (v && v->given == GIVEN_DATA) {
		struct code *data = compiler_new_code(c, CODE_EVENT_MEMBER);
		data->value = val_text("data");
		data->slot = EVENT_DATA;
		data->by_name = true;
		return compiler_finish(c, data);
	}
	if (v || slice_eq(t->name, SLICE("event")))
		return compiler_simple(c, CODE_EVENT);
	if (slice_eq(t->name, SLICE("seq")))
		return compiler_simple(c, CODE_SEQ);
	if (slice_eq(t->name, SLICE("off")))
		return compiler_simple(c, CODE_OFF);
	return compiler_give_up(c, "not defined: $", t->name);
}

static struct code *compile_format(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct tree name = {.kind = TREE_CONST, .value = val_string(t->name.data, t->name.len)};
	bool text = slice_eq(t->name, SLICE("text"));
	struct code *f = text ? compile_call_of(c, "tostring", NULL, NULL, s)
			      : compile_call_of(c, "format", &name, NULL, s);

	val_free(name.value);
	if (!t->a || !f)
		return f;
	struct code *code = compiler_list(c, CODE_PIPE, 2);
	code->list[0] = compile_tree(c, t->a, s);
	code->list[1] = f;
	return compiler_finish(c, code);
}

static struct code *compile_if(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = compiler_new_code(c, CODE_IF);

	code->a = compile_tree(c, t->a, s);
	code->b = compile_tree(c, t->b, s);
	code->c = compile_tree(c, t->c, s);
	return compiler_finish(c, code);
}

static struct code *compile_two(struct compiler *c, enum code_kind kind, const struct tree *t,
				struct scope *s)
{
	struct code *a = compile_tree(c, t->a, s);

	return compiler_two(c, kind, a, t->b ? compile_tree(c, t->b, s) : NULL);
}

static struct code *compile_node(struct compiler *c, const struct tree *t, struct scope *s)
{
	switch (t->kind) {
	case TREE_DOT:
		return compiler_simple(c, CODE_DOT);
	case TREE_RECURSE:
		return compile_call_of(c, "recurse", NULL, NULL, s);
	case TREE_CONST:
		return compiler_constant(c, val_copy(t->value));
	case TREE_VARIABLE:
		return compile_variable(c, t, s);
	case TREE_INDEX:
		return compile_index(c, t, s);
	case TREE_SLICE:
		return compile_slice(c, t, s);
	case TREE_EACH:
		return compile_each(c, t, s);
	case TREE_PIPE:
		return compile_list(c, CODE_PIPE, t, s);
	case TREE_COMMA:
		return compile_list(c, CODE_COMMA, t, s);
	case TREE_NEGATE:
		return compile_two(c, CODE_NEGATE, t, s);
	case TREE_BINARY:
		return compile_binary(c, t, s);
	case TREE_AND:
		return compile_two(c, CODE_AND, t, s);
	case TREE_OR:
		return compile_two(c, CODE_OR, t, s);
	case TREE_ELSE:
		return compile_two(c, CODE_ELSE, t, s);
	case TREE_ASSIGN:
		return compile_update(c, t, s, CODE_ASSIGN);
	case TREE_MODIFY:
		return compile_modify(c, t, s);
	case TREE_UPDATE:
		return compile_update(c, t, s, CODE_UPDATE);
	case TREE_UPDATE_ELSE:
		return compile_update(c, t, s, CODE_UPDATE_ELSE);
	case TREE_IF:
		return compile_if(c, t, s);
	case TREE_TRY:
		return compile_two(c, CODE_TRY, t, s);
	case TREE_REDUCE:
		return compile_loop(c, t, s, CODE_REDUCE);
	case TREE_FOREACH:
		return compile_loop(c, t, s, CODE_FOREACH);
	case TREE_AS:
		return compile_as(c, t, s);
	case TREE_LABEL:
		return compile_label(c, t, s);
	case TREE_BREAK:
		return compile_break(c, t, s);
	case TREE_DEF:
		return compile_tree(c, t->a, scope_push_def(c, s, t->def));
	case TREE_CALL:
		return compile_call(c, t, s);
	case TREE_ARRAY:
		return compile_two(c, CODE_ARRAY, t, s);
	case TREE_OBJECT:
		return compile_object(c, t, s);
	case TREE_FORMAT:
		return compile_format(c, t, s);
	}
	return NULL;
}

struct code *compile_tree(struct compiler *c, const struct tree *t, struct scope *s)
{
	if (c->why)
		return NULL;
	if (++c->depth > DEEPEST)
		return compiler_give_up(c, "it is too deep with all its functions written out",
					(struct slice){0});
	struct code *code = compile_node(c, t, s);
	c->depth--;
	return c->why ? NULL : code;
}

bool program_compile(struct program *ret, struct parse *parse, const struct prelude *prelude,
		     const char **ret_why)
{
	struct shape shape = {0};
	struct compiler c = {.program = ret, .parse = parse, .prelude = prelude, .shape = &shape};

	*ret = (struct program){0};
	ret->main = compile_tree(&c, parse->tree, NULL);
	ret->n_slots = shape.n;
	*ret_why = c.why;
	return !c.why;
}

static void free_bind(const struct bind *bind)
{
	while (bind) {
		struct bind *b = (struct bind *)bind;
		bind = b->alternative;
		free(b->steps);
		free(b->slots);
		free(b);
	}
}

void program_deinit(struct program *p)
{
	while (p->all) {
		struct code *code = p->all;
		p->all = code->next;
		val_free(code->value);
		free_bind(code->bind);
		free(code->list);
		free(code);
	}
	while (p->functions) {
		struct function *f = p->functions;
		p->functions = f->next;
		free(f);
	}
	*p = (struct program){0};
}
