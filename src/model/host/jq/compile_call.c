/* Functions: written out where they are called, or made anew for this place where they call themselves; and
 * those that are ours. */
#include "model/host/jq/compiler.h"

static bool calls(const struct tree *t, const struct definition *def);

static bool pattern_calls(const struct pattern *p, const struct definition *def)
{
	for (; p; p = p->next)
		if ((p->key && calls(p->key, def)) || pattern_calls(p->value, def) ||
		    pattern_calls(p->list, def) || pattern_calls(p->alternative, def))
			return true;
	return false;
}

/* Does something of that name and number of parameters stand in it? It may be another one; that does no harm.
 */
static bool calls(const struct tree *t, const struct definition *def)
{
	if (!t)
		return false;
	if (t->kind == TREE_CALL && t->n == def->n && slice_eq(t->name, def->name))
		return true;
	for (unsigned i = 0; i < t->n; i++)
		if (calls(t->list[i], def))
			return true;
	return calls(t->a, def) || calls(t->b, def) || calls(t->c, def) || calls(t->d, def) ||
	       pattern_calls(t->patterns, def);
}

static struct scope *push_argument(struct compiler *c, struct scope *up, struct slice name, struct tree *arg,
				   struct scope *arg_scope)
{
	struct scope *s = scope_push(c, up, SCOPE_PARAMETER, name);

	s->arg = arg;
	s->arg_scope = arg_scope;
	return s;
}

static struct code *bind_slot(struct compiler *c, struct code *source, unsigned slot, struct code *body)
{
	struct bind *bind = val_alloc(sizeof(*bind));
	struct bind_step *step = val_alloc(sizeof(*step));

	*step = (struct bind_step){.what = BIND_STORE, .slot = slot};
	*bind = (struct bind){.steps = step, .n = 1, .depth = 1};
	struct code *code = compiler_new_code(c, CODE_BIND);
	code->a = source;
	code->b = body;
	code->bind = bind;
	return compiler_finish(c, code);
}

/* The function's body in the place of its call. */
static struct code *write_out(struct compiler *c, const struct scope *f, const struct tree *call,
			      struct scope *caller)
{
	struct definition *def = f->def;
	struct scope *s = (struct scope *)f;
	unsigned *slots = parse_alloc(c->parse, (def->n + 1) * sizeof(*slots));

	for (unsigned i = 0; i < def->n; i++) {
		struct parameter *p = &def->parameters[i];
		s = push_argument(c, s, p->name, call->list[i], caller);
		if (p->value) {
			slots[i] = c->shape->n++;
			s = scope_push_variable(c, s, SCOPE_VARIABLE, p->name, slots[i]);
		}
	}
	struct code *body = compile_tree(c, def->body, s);
	for (unsigned i = def->n; i-- > 0 && body;)
		if (def->parameters[i].value)
			body = bind_slot(c, compile_tree(c, call->list[i], caller), slots[i], body);
	return body;
}

static struct code *call_function(struct compiler *c, struct function *f, const struct definition *def,
				  const struct tree *call, struct scope *caller, unsigned hops)
{
	struct code *code = compiler_list(c, CODE_CALL, def->n);

	code->n = 0;
	code->function = f;
	code->hops = hops;
	for (unsigned i = 0; i < def->n; i++)
		if (def->parameters[i].value)
			code->list[code->n++] = compile_tree(c, call->list[i], caller);
	return code;
}

static void assume(struct code *call, const struct code *what)
{
	call->none |= what->none;
	call->several |= what->several;
	call->catches |= what->catches;
	call->writes |= what->writes;
	call->loses |= what->loses;
	call->dot |= what->dot;
}

static bool same_flags(const struct code *a, const struct code *b)
{
	return a->none == b->none && a->several == b->several && a->catches == b->catches &&
	       a->writes == b->writes && a->loses == b->loses && a->dot == b->dot;
}

/* What is the last thing that a body does, with nothing left to do around it. */
static void mark_tail(struct code *c, const struct function *f)
{
	switch (c->kind) {
	case CODE_CALL:
		c->tail = c->function == f && c->hops == 1;
		for (unsigned i = 0; i < c->n; i++)
			c->tail &= c->list[i]->simple;
		return;
	case CODE_IF:
		if (c->a->simple) {
			mark_tail(c->b, f);
			mark_tail(c->c, f);
		}
		return;
	case CODE_BIND:
		if (c->a->simple && !c->bind->alternative)
			mark_tail(c->b, f);
		return;
	case CODE_PIPE:
		for (unsigned i = 0; i + 1 < c->n; i++)
			if (!c->list[i]->simple)
				return;
		mark_tail(c->list[c->n - 1], f);
		return;
	case CODE_COMMA:
		mark_tail(c->list[c->n - 1], f);
		return;
	case CODE_ELSE:
		mark_tail(c->b, f);
		return;
	default:
		return;
	}
}

/* A function that calls itself is made for this place. What it may do depends on what it may do: it is
 * assumed to do nothing, and made again until that comes out. */
static struct code *compile_recursive(struct compiler *c, const struct scope *f, const struct tree *call,
				      struct scope *caller)
{
	struct definition *def = f->def;
	struct function *function = val_alloc(sizeof(*function));
	struct code assumed = {0};

	*function = (struct function){.next = c->program->functions};
	c->program->functions = function;
	for (;;) {
		struct shape shape = {.up = c->shape}, *outer = c->shape;
		struct scope *self = scope_push(c, (struct scope *)f, SCOPE_SELF, def->name), *s = self;

		self->arity = def->n;
		self->def = def;
		self->shape = &shape;
		self->function = function;
		self->assumed = &assumed;
		c->shape = &shape;
		for (unsigned i = 0; i < def->n; i++) {
			struct parameter *p = &def->parameters[i];
			s = push_argument(c, s, p->name, p->value ? NULL : call->list[i], caller);
			s->self = self;
			if (p->value)
				s = scope_push_variable(c, s, SCOPE_VARIABLE, p->name, shape.n++);
		}
		function->body = compile_tree(c, def->body, s);
		function->n_slots = shape.n;
		c->shape = outer;
		if (!function->body)
			return NULL;
		struct code all = assumed;
		assume(&all, function->body);
		if (same_flags(&all, &assumed))
			break;
		assumed = all;
	}
	if (function->body)
		mark_tail(function->body, function);
	struct code *code = call_function(c, function, def, call, caller, 0);
	assume(code, &assumed);
	return compiler_finish(c, code);
}

static struct code *call_itself(struct compiler *c, const struct scope *self, const struct tree *call,
				struct scope *caller)
{
	for (unsigned i = 0; i < call->n; i++) {
		const struct tree *arg = call->list[i];
		if (self->def->parameters[i].value)
			continue;
		const struct scope *p =
		    arg->kind == TREE_CALL && arg->n == 0 ? scope_find_function(caller, arg->name, 0) : NULL;
		if (!p || p->self != self || !slice_eq(p->name, self->def->parameters[i].name))
			return compiler_give_up(c,
						"a function that calls itself with another one:", self->name);
	}
	struct code *code =
	    call_function(c, self->function, self->def, call, caller, scope_hops(c, self->shape) + 1);
	assume(code, self->assumed);
	return compiler_finish(c, code);
}

static struct code *compile_known(struct compiler *c, struct scope *f, const struct tree *t, struct scope *s)
{
	if (f->kind == SCOPE_SELF)
		return call_itself(c, f, t, s);
	if (f->kind == SCOPE_PARAMETER && !f->arg)
		return compiler_give_up(c, "a $parameter that is called as a function:", f->name);
	if (f->kind == SCOPE_PARAMETER)
		return compile_tree(c, f->arg, f->arg_scope);
	return calls(f->def->body, f->def) ? compile_recursive(c, f, t, s) : write_out(c, f, t, s);
}

static struct code *compile_builtin(struct compiler *c, const struct builtin *b, const struct tree *t,
				    struct scope *s)
{
	struct code *code = compiler_list(c, CODE_FUNCTION, b->arity + 1);

	code->builtin = b;
	for (unsigned i = 0; i < b->arity; i++)
		code->list[i] = compile_tree(c, t->list[b->arity - 1 - i], s);
	code->list[b->arity] = compiler_simple(c, CODE_DOT);
	return compiler_finish(c, code);
}

static struct code *compile_prelude(struct compiler *c, const struct tree *t, struct scope *s)
{
	for (unsigned i = 0; i < c->prelude->n; i++)
		if (c->prelude->list[i]->n == t->n && slice_eq(c->prelude->list[i]->name, t->name))
			return compile_known(c, scope_push_def(c, NULL, c->prelude->list[i]), t, s);
	return compiler_give_up(c, "not compiled:", t->name);
}

static const struct {
	const char *name;
	unsigned arity;
	enum code_kind kind;
} own_functions[] = {
    {"empty", 0, CODE_EMPTY}, {"path", 1, CODE_PATH},  {"range", 2, CODE_RANGE},
    {"first", 1, CODE_FIRST}, {"del", 1, CODE_DELETE},
};

static int find_own(struct slice name, unsigned arity)
{
	for (size_t i = 0; i < countof(own_functions); i++)
		if (own_functions[i].arity == arity && slice_eq(name, slice_of(own_functions[i].name)))
			return (int)i;
	return -1;
}

bool compile_knows(const struct prelude *prelude, struct slice name, unsigned arity)
{
	if (find_own(name, arity) >= 0 || builtin_find(name, arity))
		return true;
	for (unsigned i = 0; i < prelude->n; i++)
		if (prelude->list[i]->n == arity && slice_eq(prelude->list[i]->name, name))
			return true;
	return false;
}

struct code *compile_call(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct scope *f = scope_find_function(s, t->name, t->n);

	if (f)
		return compile_known(c, f, t, s);
	int own = find_own(t->name, t->n);
	if (own >= 0)
		return compiler_two(c, own_functions[own].kind,
				    t->n > 0 ? compile_tree(c, t->list[0], s) : NULL,
				    t->n > 1 ? compile_tree(c, t->list[1], s) : NULL);
	const struct builtin *b = builtin_find(t->name, t->n);
	return b ? compile_builtin(c, b, t, s) : compile_prelude(c, t, s);
}

struct code *compile_call_of(struct compiler *c, const char *name, struct tree *a, struct tree *b,
			     struct scope *s)
{
	struct tree *args[] = {a, b};
	struct tree call = {
	    .kind = TREE_CALL, .list = args, .n = (a != NULL) + (b != NULL), .name = slice_of(name)};
	const struct builtin *f = builtin_find(call.name, call.n);

	return f ? compile_builtin(c, f, &call, s) : compile_prelude(c, &call, s);
}
