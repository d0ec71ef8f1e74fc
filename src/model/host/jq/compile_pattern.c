/* Patterns: what binds names, step by step. */
#include "model/host/jq/compiler.h"

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
		b->inner = scope_push_variable(b->c, b->inner, SCOPE_VARIABLE, name, slot);
	add_step(b, (struct bind_step){.what = keep ? BIND_STORE_COPY : BIND_STORE, .slot = slot});
}

static void bind_pattern(struct binding *b, const struct pattern *p);

static void bind_member(struct binding *b, const struct pattern *m, struct code *key)
{
	if (key && (!key->simple || key->none || (b->shared && key->kind != CODE_CONST)))
		compiler_give_up(b->c, "a pattern whose key is not one value", (struct slice){0});
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
	bind_member(b, m, compiler_constant(b->c, val_number(i)));
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
			bind_member(b, m, compile_tree(b->c, m->key, b->outer));
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

struct scope *compile_patterns(struct compiler *c, const struct pattern *p, struct scope *outer,
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
