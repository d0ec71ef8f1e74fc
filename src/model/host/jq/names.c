/* Names: what `as`, reduce and foreach bind, and the calls of functions that call themselves. */
#include <alloca.h>

#include "model/host/jq/run.h"

#include "model/host/jq/text.h"

static int run_step(struct run *m, const struct bind_step *s, struct val *stack, unsigned *n)
{
	struct val *top = &stack[*n - 1], key;

	switch (s->what) {
	case BIND_STORE:
		--*n;
		val_put(&m->frame->vars[s->slot], *top);
		return GIVEN;
	case BIND_STORE_COPY:
		val_put(&m->frame->vars[s->slot], val_copy(*top));
		return GIVEN;
	case BIND_DROP:
		--*n;
		val_free(*top);
		return GIVEN;
	default:
		break;
	}
	int r = one_apart(m, s->key, input_for(s->key, *top), &key);
	if (r == GIVEN)
		r = index_step(m, val_copy(*top), key, false, &stack[*n]);
	*n += r == GIVEN;
	return r;
}

/* Takes a value apart and stores what the pattern names. */
static int bind_value(struct run *m, const struct bind *b, struct val v)
{
	if (b->n == 1) {
		val_put(&m->frame->vars[b->steps[0].slot], v);
		return GIVEN;
	}
	struct val *stack = alloca((b->depth + 1) * sizeof(*stack));
	unsigned n = 1;
	int r = GIVEN;

	stack[0] = v;
	for (unsigned i = 0; i < b->n && r == GIVEN; i++)
		r = run_step(m, &b->steps[i], stack, &n);
	while (n > 0)
		val_free(stack[--n]);
	return r;
}

static void clear_slots(struct run *m, const struct bind *b)
{
	for (unsigned i = 0; i < b->n_slots; i++)
		val_put(&m->frame->vars[b->slots[i]], VAL(VAL_NULL));
}

/* Binds and goes on, with each of the alternatives until one of them does not fail. What follows is a part of
 * it. */
static int bind_and(struct run *m, const struct bind *first, struct val v, struct cont *go)
{
	struct mark mark;
	int r = FAILED;

	if (!first->alternative) {
		r = bind_value(m, first, v);
		return r == GIVEN ? go->take(m, go, VAL(VAL_NULL)) : r;
	}
	mark_take(m, &mark);
	clear_slots(m, first);
	for (const struct bind *b = first; b && r == FAILED; b = b->alternative) {
		if (b != first) {
			val_free(run_catch(m));
			mark_restore(m, &mark);
			clear_slots(m, first);
		}
		r = bind_value(m, b, val_copy(v));
		if (r == GIVEN)
			r = go->take(m, go, VAL(VAL_NULL));
	}
	mark_drop(&mark);
	val_free(v);
	return r;
}

/* a as $x | b */

struct binding {
	struct cont cont, go;
	const struct code *c;
	struct val in;
	struct cont *k;
};

int one_bind(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct val v;
	int r = one_apart(m, c->a, input_for(c->a, in), &v);

	if (r == GIVEN)
		r = bind_value(m, c->bind, v);
	if (r == GIVEN)
		return one(m, c->b, in, out);
	val_free(in);
	return r;
}

static int go_on(struct run *m, struct cont *go, struct val nothing)
{
	struct binding *b = container_of(go, struct binding, go);

	return many(m, b->c->b, val_copy(b->in), b->k);
}

static int take_binding(struct run *m, struct cont *cont, struct val v)
{
	struct binding *b = (struct binding *)cont;

	return bind_and(m, b->c->bind, v, &b->go);
}

int many_bind(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct binding b = {.cont = {take_binding}, .go = {go_on}, .c = c, .in = in, .k = k};
	struct val v;

	if (!c->a->simple || c->bind->alternative) {
		int r = many_apart(m, c->a, input_for(c->a, in), &b.cont);
		val_free(in);
		return r;
	}
	int r = one_apart(m, c->a, input_for(c->a, in), &v);
	if (r == GIVEN)
		r = bind_value(m, c->bind, v);
	if (r == GIVEN)
		return many(m, c->b, in, k);
	val_free(in);
	return r;
}

/* reduce a as $x (b; c) */

struct reduction {
	struct cont cont, go, store;
	const struct code *c;
	struct val state;
	struct val in; /* where there are several beginnings */
	struct cont *k;
};

static int store_state(struct run *m, struct cont *store, struct val v)
{
	val_put(&container_of(store, struct reduction, store)->state, v);
	return MORE;
}

static int reduce_once(struct run *m, struct cont *go, struct val nothing)
{
	struct reduction *d = container_of(go, struct reduction, go);
	struct val state = d->state;

	/* A body without output makes it null. */
	d->state = VAL(VAL_NULL);
	if (!d->c->c->simple)
		return many(m, d->c->c, state, &d->store);
	int r = one(m, d->c->c, state, &state);
	if (r == GIVEN)
		d->state = state;
	return r == FAILED ? FAILED : MORE;
}

static int take_reduction(struct run *m, struct cont *cont, struct val v)
{
	struct reduction *d = (struct reduction *)cont;

	return bind_and(m, d->c->bind, v, &d->go);
}

static int reduce(struct run *m, struct reduction *d, struct val in)
{
	struct mark mark;

	d->cont.take = take_reduction;
	d->go.take = reduce_once;
	d->store.take = store_state;
	mark_take(m, &mark);
	int r = many(m, d->c->a, in, &d->cont);
	mark_restore(m, &mark);
	mark_drop(&mark);
	if (r == FAILED)
		val_free(val_take(&d->state));
	return r;
}

int one_reduce(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct reduction d = {.c = c};
	struct val source = input_for(c->a, in);
	int r = one(m, c->b, in, &d.state);

	if (r != GIVEN) {
		val_free(source);
		return r;
	}
	if (reduce(m, &d, source) == FAILED)
		return FAILED;
	*out = d.state;
	return GIVEN;
}

static int take_beginning(struct run *m, struct cont *cont, struct val v)
{
	struct reduction *d = (struct reduction *)cont;
	struct reduction run = {.c = d->c, .state = v};

	if (reduce(m, &run, input_for(d->c->a, d->in)) == FAILED)
		return FAILED;
	return d->k->take(m, d->k, run.state);
}

int many_reduce(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct reduction d = {.cont = {take_beginning}, .c = c, .in = in, .k = k};
	int r = many(m, c->b, val_copy(in), &d.cont);

	val_free(in);
	return r;
}

/* foreach a as $x (b; c; d) */

struct progress {
	struct cont cont, go, store;
	const struct code *c;
	struct val state, in;
	struct cont *k;
};

static int give_state(struct run *m, struct cont *store, struct val v)
{
	struct progress *p = container_of(store, struct progress, store);

	val_put(&p->state, val_copy(v));
	return p->c->d ? many(m, p->c->d, v, p->k) : p->k->take(m, p->k, v);
}

static int foreach_once(struct run *m, struct cont *go, struct val nothing)
{
	struct progress *p = container_of(go, struct progress, go);
	struct val state = p->state;

	p->state = VAL(VAL_NULL);
	return many(m, p->c->c, state, &p->store);
}

static int take_progress(struct run *m, struct cont *cont, struct val v)
{
	return bind_and(m, ((struct progress *)cont)->c->bind, v, &((struct progress *)cont)->go);
}

static int take_foreach(struct run *m, struct cont *cont, struct val v)
{
	struct progress *outer = (struct progress *)cont;
	struct progress p = {.cont = {take_progress},
			     .go = {foreach_once},
			     .store = {give_state},
			     .c = outer->c,
			     .state = v,
			     .k = outer->k};
	int r = many(m, p.c->a, input_for(p.c->a, outer->in), &p.cont);

	val_free(p.state);
	return r;
}

int many_foreach(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct progress p = {.cont = {take_foreach}, .c = c, .in = in, .k = k};
	int r = many(m, c->b, input_for(c->b, in), &p.cont);

	val_free(in);
	return r;
}

/* Calls. A call of itself that is the last thing that a function does goes back to where the function was
 * called, and begins it again there: loops that are written so are as long as they like. */

static bool too_deep(struct run *m)
{
	if (likely((char *)__builtin_frame_address(0) > m->stack_end))
		return false;
	fail_deep(m, "a function calls itself too deep");
	return true;
}

static struct frame *frame_around(struct run *m, const struct code *c)
{
	struct frame *up = m->frame;

	for (unsigned i = c->hops; i > 0; i--)
		up = up->up;
	return up;
}

static int arguments(struct run *m, const struct code *c, struct val in, struct val *args)
{
	for (unsigned i = 0; i < c->n; i++) {
		int r = one_apart(m, c->list[i], input_for(c->list[i], in), &args[i]);
		if (r != GIVEN) {
			while (i-- > 0)
				val_free(val_take(&args[i]));
			return r;
		}
	}
	return GIVEN;
}

/* The arguments go into the frame that is there already, when it is free. */
static int call_tail(struct run *m, const struct code *c, struct val in)
{
	struct val *args = val_alloc((c->n + 1) * sizeof(*args));
	int r = arguments(m, c, in, args);

	if (r != GIVEN) {
		free(args);
		val_free(in);
		return r;
	}
	m->tail_in = in;
	m->tail_args = args;
	return TAIL;
}

static void clear_vars(struct val *vars, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		val_free(val_take(&vars[i]));
}

static struct val again(struct run *m, const struct code *c, struct val *vars)
{
	clear_vars(vars, c->function->n_slots);
	memcpy(vars, m->tail_args, c->n * sizeof(*vars));
	free(m->tail_args);
	return m->tail_in;
}

int one_call(struct run *m, const struct code *c, struct val in, struct val *out)
{
	if (c->tail)
		return call_tail(m, c, in);
	unsigned n = c->function->n_slots;
	struct val *vars = alloca((n + 1) * sizeof(*vars));
	struct frame frame = {.up = frame_around(m, c), .vars = vars}, *caller = m->frame;

	memset(vars, 0, n * sizeof(*vars));
	int r = too_deep(m) ? FAILED : arguments(m, c, in, vars);
	if (r != GIVEN) {
		val_free(in);
		return r;
	}
	m->frame = &frame;
	while ((r = one(m, c->function->body, in, out)) == TAIL)
		in = again(m, c, vars);
	m->frame = caller;
	clear_vars(vars, n);
	return r;
}

struct call {
	struct cont cont;
	struct frame frame, *caller;
	const struct code *c;
	struct cont *k;
};

static int take_call(struct run *m, struct cont *cont, struct val v)
{
	struct call *call = (struct call *)cont;
	struct frame *frame = m->frame;

	m->frame = call->caller;
	int r = call->k->take(m, call->k, v);
	m->frame = frame;
	return r;
}

/* Consumes the arguments in vars. */
static int call_many(struct run *m, const struct code *c, struct val in, struct val *vars, struct cont *k)
{
	unsigned n = c->function->n_slots;
	struct call call = {.cont = {take_call},
			    .frame = {.up = frame_around(m, c), .vars = vars},
			    .caller = m->frame,
			    .c = c,
			    .k = k};
	int r;

	m->frame = &call.frame;
	while ((r = many(m, c->function->body, in, &call.cont)) == TAIL)
		in = again(m, c, vars);
	m->frame = call.caller;
	clear_vars(vars, n);
	return r;
}

/* With several values of some arguments. */
struct call_args {
	struct cont cont;
	const struct code *c;
	unsigned i;
	struct val in, *args;
	struct cont *k;
};

static int args_from(struct run *m, struct call_args *a, unsigned i);

static int take_arg(struct run *m, struct cont *cont, struct val v)
{
	struct call_args *a = (struct call_args *)cont;

	val_put(&a->args[a->i], v);
	return args_from(m, a, a->i + 1);
}

static int args_from(struct run *m, struct call_args *a, unsigned i)
{
	const struct code *c = a->c;

	if (i == c->n) {
		struct val *vars = alloca((c->function->n_slots + 1) * sizeof(*vars));
		memset(vars, 0, c->function->n_slots * sizeof(*vars));
		for (unsigned j = 0; j < c->n; j++)
			vars[j] = val_copy(a->args[j]);
		return call_many(m, c, val_copy(a->in), vars, a->k);
	}
	struct call_args next = *a;
	next.cont.take = take_arg;
	next.i = i;
	return many_apart(m, c->list[i], input_for(c->list[i], a->in), &next.cont);
}

int many_call(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	if (c->tail)
		return call_tail(m, c, in);
	if (too_deep(m)) {
		val_free(in);
		return FAILED;
	}
	unsigned n = c->function->n_slots;
	bool all_simple = true;
	for (unsigned i = 0; i < c->n; i++)
		all_simple &= c->list[i]->simple;
	struct val *vars = alloca((n + 1) * sizeof(*vars));
	memset(vars, 0, (n + 1) * sizeof(*vars));
	if (all_simple) {
		int r = arguments(m, c, in, vars);
		if (r == GIVEN)
			return call_many(m, c, in, vars, k);
		val_free(in);
		return r;
	}
	struct call_args a = {.c = c, .in = in, .args = vars, .k = k};
	int r = args_from(m, &a, 0);
	clear_vars(vars, c->n);
	val_free(in);
	return r;
}
