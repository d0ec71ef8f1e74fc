#include "model/host/jq/compiler.h"

#include <stdio.h>

#define LARGEST 30000

struct code *compiler_give_up(struct compiler *c, const char *what, struct slice name)
{
	if (!c->why) {
		size_t size = strlen(what) + name.len + 4;
		char *why = parse_alloc(c->parse, size);
		snprintf(why, size, "%s%s%.*s", what, name.len ? " " : "", (int)name.len,
			 name.len ? name.data : "");
		c->why = why;
	}
	return NULL;
}

struct code *compiler_new_code(struct compiler *c, enum code_kind kind)
{
	struct code *code = val_alloc(sizeof(*code));

	*code = (struct code){.kind = kind, .next = c->program->all};
	c->program->all = code;
	if (++c->program->n_codes > LARGEST)
		compiler_give_up(c, "it is too large with all its functions written out", (struct slice){0});
	return code;
}

struct code *compiler_finish(struct compiler *c, struct code *code)
{
	if (c->why)
		return NULL;
	code_finish(code);
	return code;
}

struct code *compiler_simple(struct compiler *c, enum code_kind kind)
{
	return compiler_finish(c, compiler_new_code(c, kind));
}

struct code *compiler_constant(struct compiler *c, struct val v)
{
	struct code *code = compiler_new_code(c, CODE_CONST);

	code->value = v;
	return compiler_finish(c, code);
}

struct code *compiler_two(struct compiler *c, enum code_kind kind, struct code *a, struct code *b)
{
	struct code *code = compiler_new_code(c, kind);

	code->a = a;
	code->b = b;
	return compiler_finish(c, code);
}

struct code *compiler_list(struct compiler *c, enum code_kind kind, unsigned n)
{
	struct code *code = compiler_new_code(c, kind);

	code->n = n;
	code->list = val_alloc((n + 1) * sizeof(*code->list));
	memset(code->list, 0, (n + 1) * sizeof(*code->list));
	return code;
}

/* Scopes. */

struct scope *scope_push(struct compiler *c, struct scope *up, enum scope_kind kind, struct slice name)
{
	struct scope *s = parse_alloc(c->parse, sizeof(*s));

	*s = (struct scope){.up = up, .kind = kind, .name = name};
	return s;
}

struct scope *scope_push_variable(struct compiler *c, struct scope *up, enum scope_kind kind,
				  struct slice name, unsigned slot)
{
	struct scope *s = scope_push(c, up, kind, name);

	s->shape = c->shape;
	s->slot = slot;
	return s;
}

struct scope *scope_push_def(struct compiler *c, struct scope *up, struct definition *def)
{
	struct scope *s = scope_push(c, up, SCOPE_DEF, def->name);

	s->def = def;
	s->arity = def->n;
	return s;
}

struct scope *scope_find_variable(struct scope *s, enum scope_kind kind, struct slice name)
{
	while (s && !(s->kind == kind && slice_eq(s->name, name)))
		s = s->up;
	return s;
}

struct scope *scope_find_function(struct scope *s, struct slice name, unsigned arity)
{
	for (; s; s = s->up)
		if (s->kind >= SCOPE_DEF && s->arity == arity && slice_eq(s->name, name))
			return s;
	return NULL;
}

unsigned scope_hops(const struct compiler *c, const struct shape *target)
{
	unsigned hops = 0;

	for (const struct shape *s = c->shape; s != target; s = s->up)
		hops++;
	return hops;
}

struct code *scope_place(struct compiler *c, enum code_kind kind, const struct scope *of)
{
	struct code *code = compiler_new_code(c, kind);

	code->hops = scope_hops(c, of->shape);
	code->slot = of->slot;
	return code;
}
