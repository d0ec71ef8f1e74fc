#include "model/jq/compile.h"

#include <stdio.h>

#include "model/jq/event.h"

#define DEEPEST 2000
#define LARGEST 30000

enum scope_kind { SCOPE_VARIABLE, SCOPE_LABEL, SCOPE_DEF, SCOPE_PARAMETER, SCOPE_SELF };

/* The variables of one call: where the values are when it runs. */
struct shape {
	struct shape *up;
	unsigned n;
};

/* What is there without being computed. */
enum given { GIVEN_NONE, GIVEN_EVENT, GIVEN_DATA };

/* What a name means, and what is around it. */
struct scope {
	struct scope *up;
	enum scope_kind kind;
	struct slice name;
	unsigned arity;
	struct shape *shape; /* of a variable, a label; of the function itself */
	unsigned slot;
	enum given given; /* of a variable that is only another name */
	struct definition *def;
	/* A parameter: what is written where the function is called, to be read as it is meant there. */
	struct tree *arg;
	struct scope *arg_scope;
	const struct scope *self; /* whose parameter it is, where the function calls itself */
	struct function *function;
	const struct code *assumed; /* what the function may do, as far as is known */
};

struct compiler {
	struct program *program;
	struct parse *parse;
	const struct prelude *prelude;
	struct shape *shape;
	const char *why;
	unsigned depth;
};

static struct code *compile(struct compiler *c, const struct tree *t, struct scope *s);

static struct code *give_up(struct compiler *c, const char *what, struct slice name)
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

static struct code *new_code(struct compiler *c, enum code_kind kind)
{
	struct code *code = val_alloc(sizeof(*code));

	*code = (struct code){.kind = kind, .next = c->program->all};
	c->program->all = code;
	if (++c->program->n_codes > LARGEST)
		give_up(c, "it is too large with all its functions written out", (struct slice){0});
	return code;
}

static struct code *finish_code(struct compiler *c, struct code *code)
{
	if (c->why)
		return NULL;
	code_finish(code);
	return code;
}

static struct code *simple(struct compiler *c, enum code_kind kind)
{
	return finish_code(c, new_code(c, kind));
}

static struct code *constant(struct compiler *c, struct val v)
{
	struct code *code = new_code(c, CODE_CONST);

	code->value = v;
	return finish_code(c, code);
}

static struct code *of_two(struct compiler *c, enum code_kind kind, struct code *a, struct code *b)
{
	struct code *code = new_code(c, kind);

	code->a = a;
	code->b = b;
	return finish_code(c, code);
}

static struct code *of_list(struct compiler *c, enum code_kind kind, unsigned n)
{
	struct code *code = new_code(c, kind);

	code->n = n;
	code->list = val_alloc((n + 1) * sizeof(*code->list));
	memset(code->list, 0, (n + 1) * sizeof(*code->list));
	return code;
}

/* Scopes. */

static struct scope *push(struct compiler *c, struct scope *up, enum scope_kind kind, struct slice name)
{
	struct scope *s = parse_alloc(c->parse, sizeof(*s));

	*s = (struct scope){.up = up, .kind = kind, .name = name};
	return s;
}

static struct scope *push_variable(struct compiler *c, struct scope *up, enum scope_kind kind,
				   struct slice name, unsigned slot)
{
	struct scope *s = push(c, up, kind, name);

	s->shape = c->shape;
	s->slot = slot;
	return s;
}

static struct scope *push_def(struct compiler *c, struct scope *up, struct definition *def)
{
	struct scope *s = push(c, up, SCOPE_DEF, def->name);

	s->def = def;
	s->arity = def->n;
	return s;
}

static struct scope *find_variable(struct scope *s, enum scope_kind kind, struct slice name)
{
	while (s && !(s->kind == kind && slice_eq(s->name, name)))
		s = s->up;
	return s;
}

static struct scope *find_function(struct scope *s, struct slice name, unsigned arity)
{
	for (; s; s = s->up)
		if (s->kind >= SCOPE_DEF && s->arity == arity && slice_eq(s->name, name))
			return s;
	return NULL;
}

static unsigned hops_to(const struct compiler *c, const struct shape *target)
{
	unsigned hops = 0;

	for (const struct shape *s = c->shape; s != target; s = s->up)
		hops++;
	return hops;
}

static struct code *place(struct compiler *c, enum code_kind kind, const struct scope *of)
{
	struct code *code = new_code(c, kind);

	code->hops = hops_to(c, of->shape);
	code->slot = of->slot;
	return code;
}

/* Patterns. */

struct binding {
	struct compiler *c;
	struct bind_step *steps;
	unsigned n, cap, depth, deepest;
	struct scope *outer, *inner; /* what keys see, and what has been bound */
	bool shared;                 /* names are the same in all alternatives */
};

static void add_step(struct binding *b, struct bind_step step)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 4;
		b->steps = val_realloc(b->steps, b->cap * sizeof(*b->steps));
	}
	b->steps[b->n++] = step;
	b->depth += step.what == BIND_GET;
	b->depth -= step.what == BIND_STORE || step.what == BIND_DROP;
	b->deepest = max(b->deepest, b->depth);
}

static void bind_name(struct binding *b, struct slice name, bool keep)
{
	struct scope *known = NULL;

	for (struct scope *s = b->inner; s != b->outer; s = s->up)
		if (slice_eq(s->name, name))
			known = s;
	unsigned slot = known && b->shared ? known->slot : b->c->shape->n++;
	/* Of two with the same name the first one counts. */
	if (!known)
		b->inner = push_variable(b->c, b->inner, SCOPE_VARIABLE, name, slot);
	add_step(b, (struct bind_step){.what = keep ? BIND_STORE_COPY : BIND_STORE, .slot = slot});
}

static void bind_pattern(struct binding *b, const struct pattern *p);

static void bind_member(struct binding *b, const struct pattern *m, struct code *key)
{
	if (key && (!key->simple || key->none || (b->shared && key->kind != CODE_CONST)))
		give_up(b->c, "a pattern whose key is not one value", (struct slice){0});
	add_step(b, (struct bind_step){.what = BIND_GET, .key = key});
	if (m->name.data)
		bind_name(b, m->name, m->value != NULL);
	if (m->value)
		bind_pattern(b, m->value);
}

/* jq takes arrays apart from behind. */
static void bind_elements(struct binding *b, const struct pattern *m, unsigned i)
{
	if (m->next)
		bind_elements(b, m->next, i + 1);
	bind_member(b, m, constant(b->c, val_number(i)));
}

static void bind_pattern(struct binding *b, const struct pattern *p)
{
	if (p->kind == PATTERN_VARIABLE) {
		bind_name(b, p->name, false);
		return;
	}
	if (p->kind == PATTERN_ARRAY)
		bind_elements(b, p->list, 0);
	else
		for (const struct pattern *m = p->list; m; m = m->next)
			bind_member(b, m, compile(b->c, m->key, b->outer));
	add_step(b, (struct bind_step){.what = BIND_DROP});
}

static struct bind *new_bind(struct binding *b)
{
	struct bind *bind = val_alloc(sizeof(*bind));

	*bind = (struct bind){.steps = b->steps, .n = b->n, .depth = b->deepest};
	b->steps = NULL;
	b->n = b->cap = b->deepest = 0;
	b->depth = 1;
	return bind;
}

static void all_slots(struct bind *first, const struct scope *inner, const struct scope *outer)
{
	unsigned n = 0;

	for (const struct scope *s = inner; s != outer; s = s->up)
		n++;
	first->slots = val_alloc((n + 1) * sizeof(*first->slots));
	for (const struct scope *s = inner; s != outer; s = s->up)
		first->slots[first->n_slots++] = s->slot;
}

/* The scope with the names that the patterns bind; *ret is what binds them. */
static struct scope *compile_patterns(struct compiler *c, const struct pattern *p, struct scope *outer,
				      const struct bind **ret)
{
	struct binding b = {
	    .c = c, .outer = outer, .inner = outer, .depth = 1, .shared = p->alternative != NULL};
	struct bind *first = NULL, *last = NULL;

	for (; p; p = p->alternative) {
		b.deepest = 1;
		bind_pattern(&b, p);
		struct bind *bind = new_bind(&b);
		if (last)
			last->alternative = bind;
		else
			first = bind;
		last = bind;
	}
	if (b.shared)
		all_slots(first, b.inner, outer);
	*ret = first;
	return b.inner;
}

/* Functions. */

static bool calls(const struct tree *t, const struct definition *def);

static bool pattern_calls(const struct pattern *p, const struct definition *def)
{
	for (; p; p = p->next)
		if ((p->key && calls(p->key, def)) || pattern_calls(p->value, def) ||
		    pattern_calls(p->list, def) || pattern_calls(p->alternative, def))
			return true;
	return false;
}

/* Does something of that name and number of parameters stand in it? It may be another one; that does no harm. */
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
	struct scope *s = push(c, up, SCOPE_PARAMETER, name);

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
	struct code *code = new_code(c, CODE_BIND);
	code->a = source;
	code->b = body;
	code->bind = bind;
	return finish_code(c, code);
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
			s = push_variable(c, s, SCOPE_VARIABLE, p->name, slots[i]);
		}
	}
	struct code *body = compile(c, def->body, s);
	for (unsigned i = def->n; i-- > 0 && body;)
		if (def->parameters[i].value)
			body = bind_slot(c, compile(c, call->list[i], caller), slots[i], body);
	return body;
}

static struct code *call_function(struct compiler *c, struct function *f, const struct definition *def,
				  const struct tree *call, struct scope *caller, unsigned hops)
{
	struct code *code = of_list(c, CODE_CALL, def->n);

	code->n = 0;
	code->function = f;
	code->hops = hops;
	for (unsigned i = 0; i < def->n; i++)
		if (def->parameters[i].value)
			code->list[code->n++] = compile(c, call->list[i], caller);
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

/* A function that calls itself is made for this place. What it may do depends on what it may do: it is assumed to do nothing, and
 * made again until that comes out. */
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
		struct scope *self = push(c, (struct scope *)f, SCOPE_SELF, def->name), *s = self;

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
				s = push_variable(c, s, SCOPE_VARIABLE, p->name, shape.n++);
		}
		function->body = compile(c, def->body, s);
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
	return finish_code(c, code);
}

static struct code *call_itself(struct compiler *c, const struct scope *self, const struct tree *call,
				struct scope *caller)
{
	for (unsigned i = 0; i < call->n; i++) {
		const struct tree *arg = call->list[i];
		if (self->def->parameters[i].value)
			continue;
		const struct scope *p =
		    arg->kind == TREE_CALL && arg->n == 0 ? find_function(caller, arg->name, 0) : NULL;
		if (!p || p->self != self || !slice_eq(p->name, self->def->parameters[i].name))
			return give_up(c, "a function that calls itself with another one:", self->name);
	}
	struct code *code =
	    call_function(c, self->function, self->def, call, caller, hops_to(c, self->shape) + 1);
	assume(code, self->assumed);
	return finish_code(c, code);
}

static struct code *compile_known(struct compiler *c, struct scope *f, const struct tree *t, struct scope *s)
{
	if (f->kind == SCOPE_SELF)
		return call_itself(c, f, t, s);
	if (f->kind == SCOPE_PARAMETER && !f->arg)
		return give_up(c, "a $parameter that is called as a function:", f->name);
	if (f->kind == SCOPE_PARAMETER)
		return compile(c, f->arg, f->arg_scope);
	return calls(f->def->body, f->def) ? compile_recursive(c, f, t, s) : write_out(c, f, t, s);
}

static struct code *compile_builtin(struct compiler *c, const struct builtin *b, const struct tree *t,
				    struct scope *s)
{
	struct code *code = of_list(c, CODE_FUNCTION, b->arity + 1);

	code->builtin = b;
	for (unsigned i = 0; i < b->arity; i++)
		code->list[i] = compile(c, t->list[b->arity - 1 - i], s);
	code->list[b->arity] = simple(c, CODE_DOT);
	return finish_code(c, code);
}

static struct code *compile_prelude(struct compiler *c, const struct tree *t, struct scope *s)
{
	for (unsigned i = 0; i < c->prelude->n; i++)
		if (c->prelude->list[i]->n == t->n && slice_eq(c->prelude->list[i]->name, t->name))
			return compile_known(c, push_def(c, NULL, c->prelude->list[i]), t, s);
	return give_up(c, "not compiled:", t->name);
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

static struct code *compile_call(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct scope *f = find_function(s, t->name, t->n);

	if (f)
		return compile_known(c, f, t, s);
	int own = find_own(t->name, t->n);
	if (own >= 0)
		return of_two(c, own_functions[own].kind, t->n > 0 ? compile(c, t->list[0], s) : NULL,
			      t->n > 1 ? compile(c, t->list[1], s) : NULL);
	const struct builtin *b = builtin_find(t->name, t->n);
	return b ? compile_builtin(c, b, t, s) : compile_prelude(c, t, s);
}

/* A call of a builtin by what it is given. */
static struct code *call_builtin(struct compiler *c, const char *name, struct tree *a, struct tree *b,
				 struct scope *s)
{
	struct tree *args[] = {a, b}, call = {.kind = TREE_CALL,
					      .list = args,
					      .n = b   ? 2
						   : a ? 1
						       : 0,
					      .name = slice_of(name)};
	const struct builtin *f = builtin_find(call.name, call.n);

	return f ? compile_builtin(c, f, &call, s) : compile_prelude(c, &call, s);
}

/* The nodes. */

static bool is_name(const struct tree *t)
{
	return t->kind == TREE_CONST && t->value.kind == VAL_STRING;
}

/* $event, $event.data, and variables that are other names of them. */
static enum given given(const struct tree *t, struct scope *s)
{
	if (t && t->kind == TREE_VARIABLE) {
		const struct scope *v = find_variable(s, SCOPE_VARIABLE, t->name);
		if (v)
			return v->given;
		return slice_eq(t->name, SLICE("event")) ? GIVEN_EVENT : GIVEN_NONE;
	}
	bool data = t && t->kind == TREE_INDEX && !t->optional && t->a && t->a->kind == TREE_VARIABLE &&
		    is_name(t->b) && val_is(t->b->value, "data");
	return data && given(t->a, s) == GIVEN_EVENT ? GIVEN_DATA : GIVEN_NONE;
}

static struct code *compile_event_index(struct compiler *c, const struct tree *t, struct scope *s)
{
	enum event_member member = EVENT_TYPE;
	enum given of = is_name(t->b) ? given(t->a, s) : GIVEN_NONE;

	if (of == GIVEN_NONE || (of == GIVEN_EVENT && !event_member_of(t->b->value, &member)))
		return NULL;
	struct code *code = new_code(c, of == GIVEN_EVENT ? CODE_EVENT_MEMBER : CODE_EVENT_DATA);
	code->value = val_copy(t->b->value);
	/* Of a member of the data: whether it is reached in two steps. */
	code->slot = of == GIVEN_EVENT ? member : t->a->kind == TREE_INDEX;
	code->optional = t->optional;
	return finish_code(c, code);
}

static struct code *container(struct compiler *c, const struct tree *t, struct scope *s)
{
	return t ? compile(c, t, s) : simple(c, CODE_DOT);
}

static struct code *compile_index(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = compile_event_index(c, t, s);

	if (code || c->why)
		return code;
	code = of_list(c, CODE_INDEX, 2);
	code->list[0] = compile(c, t->b, s);
	code->list[1] = container(c, t->a, s);
	code->optional = t->optional;
	return finish_code(c, code);
}

static struct code *bound(struct compiler *c, const struct tree *t, struct scope *s)
{
	return t ? compile(c, t, s) : constant(c, VAL(VAL_NULL));
}

static struct code *compile_slice(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = of_list(c, CODE_SLICE, 3);

	code->list[0] = bound(c, t->b, s);
	code->list[1] = bound(c, t->c, s);
	code->list[2] = container(c, t->a, s);
	code->optional = t->optional;
	return finish_code(c, code);
}

static struct code *compile_each(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = new_code(c, CODE_EACH);

	code->a = container(c, t->a, s);
	code->optional = t->optional;
	return finish_code(c, code);
}

static struct code *compile_list(struct compiler *c, enum code_kind kind, const struct tree *t,
				 struct scope *s)
{
	struct code *code = of_list(c, kind, t->n);

	for (unsigned i = 0; i < t->n; i++)
		code->list[i] = compile(c, t->list[i], s);
	return finish_code(c, code);
}

static struct code *compile_object(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = of_list(c, CODE_OBJECT, t->n);

	for (unsigned i = 0; i + 1 < t->n; i += 2) {
		code->list[i] = compile(c, t->list[i], s);
		/* {"name"}: the member of the input that the key names, whatever it is. */
		if (t->list[i + 1]) {
			code->list[i + 1] = compile(c, t->list[i + 1], s);
		} else if (code->list[i] && !is_name(t->list[i])) {
			return give_up(c, "a key by itself that is computed", (struct slice){0});
		} else {
			struct tree member = {.kind = TREE_INDEX, .b = t->list[i]};
			code->list[i + 1] = compile_index(c, &member, s);
		}
	}
	return finish_code(c, code);
}

static struct code *compile_binary(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = of_list(c, CODE_BINARY, 2);

	code->op = t->op;
	code->list[0] = compile(c, t->b, s);
	code->list[1] = compile(c, t->a, s);
	return finish_code(c, code);
}

/* Where an error of the update passes a `try` that makes the path, or one in the update meets the end of the update, it must go
 * jq's own way. */
static struct code *compile_modify(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *paths = compile(c, t->a, s), *update = compile(c, t->b, s);

	if (!paths || !update)
		return NULL;
	if (paths->catches || update->catches)
		return call_builtin(c, "_modify", t->a, t->b, s);
	return of_two(c, CODE_MODIFY, paths, update);
}

/* a op= b as jq has it: b as $x | a |= . op $x. */
static struct code *update_by_modify(struct compiler *c, const struct tree *t, struct scope *s)
{
	static const struct slice name = {"*value", 6}; /* no program has it */
	struct tree dot = {.kind = TREE_DOT}, value = {.kind = TREE_VARIABLE, .name = name};
	struct tree update = {
	    .kind = t->kind == TREE_UPDATE ? TREE_BINARY : TREE_ELSE, .op = t->op, .a = &dot, .b = &value};
	struct tree modify = {.kind = TREE_MODIFY, .a = t->a, .b = &update};
	struct pattern pattern = {.kind = PATTERN_VARIABLE, .name = name};
	struct tree as = {.kind = TREE_AS, .a = t->b, .b = &modify, .patterns = &pattern};

	return compile(c, &as, s);
}

static struct code *compile_update(struct compiler *c, const struct tree *t, struct scope *s,
				   enum code_kind kind)
{
	struct code *paths = compile(c, t->a, s);

	if (!paths)
		return NULL;
	if (paths->catches)
		return kind == CODE_ASSIGN ? call_builtin(c, "_assign", t->a, t->b, s)
					   : update_by_modify(c, t, s);
	struct code *code = new_code(c, kind);
	code->op = t->op;
	code->a = paths;
	code->b = compile(c, t->b, s);
	return finish_code(c, code);
}

static struct code *compile_loop(struct compiler *c, const struct tree *t, struct scope *s,
				 enum code_kind kind)
{
	struct code *code = new_code(c, kind);

	code->a = compile(c, t->a, s);
	code->b = compile(c, t->b, s);
	code->slot = c->shape->n++;
	struct scope *inner = compile_patterns(c, t->patterns, s, &code->bind);
	code->c = compile(c, t->c, inner);
	if (t->d)
		code->d = compile(c, t->d, inner);
	return finish_code(c, code);
}

static struct code *compile_as(struct compiler *c, const struct tree *t, struct scope *s)
{
	const struct pattern *p = t->patterns;
	enum given what = p->kind == PATTERN_VARIABLE && !p->alternative ? given(t->a, s) : GIVEN_NONE;

	if (what) {
		struct scope *name = push(c, s, SCOPE_VARIABLE, p->name);
		name->given = what;
		return compile(c, t->b, name);
	}
	struct code *code = new_code(c, CODE_BIND);

	code->a = compile(c, t->a, s);
	struct scope *inner = compile_patterns(c, t->patterns, s, &code->bind);
	code->b = compile(c, t->b, inner);
	return finish_code(c, code);
}

static struct code *compile_label(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = new_code(c, CODE_LABEL);

	code->slot = c->shape->n++;
	code->a = compile(c, t->a, push_variable(c, s, SCOPE_LABEL, t->name, code->slot));
	return finish_code(c, code);
}

static struct code *compile_break(struct compiler *c, const struct tree *t, struct scope *s)
{
	const struct scope *label = find_variable(s, SCOPE_LABEL, t->name);

	return label ? finish_code(c, place(c, CODE_BREAK, label)) : give_up(c, "no such label:", t->name);
}

static struct code *compile_variable(struct compiler *c, const struct tree *t, struct scope *s)
{
	const struct scope *v = find_variable(s, SCOPE_VARIABLE, t->name);

	if (v && !v->given)
		return finish_code(c, place(c, CODE_VARIABLE, v));
	if (v && v->given == GIVEN_DATA) {
		struct code *data = new_code(c, CODE_EVENT_MEMBER);
		data->value = val_text("data");
		data->slot = EVENT_DATA;
		data->by_name = true;
		return finish_code(c, data);
	}
	if (v || slice_eq(t->name, SLICE("event")))
		return simple(c, CODE_EVENT);
	if (slice_eq(t->name, SLICE("seq")))
		return simple(c, CODE_SEQ);
	if (slice_eq(t->name, SLICE("off")))
		return simple(c, CODE_OFF);
	return give_up(c, "not defined: $", t->name);
}

static struct code *compile_format(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct tree name = {.kind = TREE_CONST, .value = val_string(t->name.data, t->name.len)};
	bool text = slice_eq(t->name, SLICE("text"));
	struct code *f =
	    text ? call_builtin(c, "tostring", NULL, NULL, s) : call_builtin(c, "format", &name, NULL, s);

	val_free(name.value);
	if (!t->a || !f)
		return f;
	struct code *code = of_list(c, CODE_PIPE, 2);
	code->list[0] = compile(c, t->a, s);
	code->list[1] = f;
	return finish_code(c, code);
}

static struct code *compile_if(struct compiler *c, const struct tree *t, struct scope *s)
{
	struct code *code = new_code(c, CODE_IF);

	code->a = compile(c, t->a, s);
	code->b = compile(c, t->b, s);
	code->c = compile(c, t->c, s);
	return finish_code(c, code);
}

static struct code *compile_two(struct compiler *c, enum code_kind kind, const struct tree *t,
				struct scope *s)
{
	struct code *a = compile(c, t->a, s);

	return of_two(c, kind, a, t->b ? compile(c, t->b, s) : NULL);
}

static struct code *compile_node(struct compiler *c, const struct tree *t, struct scope *s)
{
	switch (t->kind) {
	case TREE_DOT:
		return simple(c, CODE_DOT);
	case TREE_RECURSE:
		return call_builtin(c, "recurse", NULL, NULL, s);
	case TREE_CONST:
		return constant(c, val_copy(t->value));
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
		return compile(c, t->a, push_def(c, s, t->def));
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

static struct code *compile(struct compiler *c, const struct tree *t, struct scope *s)
{
	if (c->why)
		return NULL;
	if (++c->depth > DEEPEST)
		return give_up(c, "it is too deep with all its functions written out", (struct slice){0});
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
	ret->main = compile(&c, parse->tree, NULL);
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
