/* The nodes that hand values on. */
#include "model/host/jq/run.h"

int many_simple(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct val v;
	int r = one(m, c, in, &v);

	return r == GIVEN ? k->take(m, k, v) : r;
}

/* Leaves. */

int one_dot(struct run *m, const struct code *c, struct val in, struct val *out)
{
	*out = in;
	return GIVEN;
}

int one_const(struct run *m, const struct code *c, struct val in, struct val *out)
{
	val_free(in);
	*out = val_copy(c->value);
	return GIVEN;
}

int one_variable(struct run *m, const struct code *c, struct val in, struct val *out)
{
	val_free(in);
	*out = val_copy(*variable(m, c));
	return GIVEN;
}

int one_empty(struct run *m, const struct code *c, struct val in, struct val *out)
{
	val_free(in);
	return NOTHING;
}

/* a | b */

int one_pipe(struct run *m, const struct code *c, struct val in, struct val *out)
{
	for (unsigned i = 0; i < c->n; i++) {
		int r = one(m, c->list[i], in, &in);
		if (r != GIVEN)
			return r;
	}
	*out = in;
	return GIVEN;
}

struct pipe {
	struct cont cont;
	const struct code *c;
	unsigned next;
	struct cont *k;
};

static int pipe_from(struct run *m, const struct code *c, unsigned i, struct val in, struct cont *k);

static int take_pipe(struct run *m, struct cont *cont, struct val v)
{
	struct pipe *p = (struct pipe *)cont;

	return pipe_from(m, p->c, p->next, v, p->k);
}

static int pipe_from(struct run *m, const struct code *c, unsigned i, struct val in, struct cont *k)
{
	for (; i < c->n && c->list[i]->simple; i++) {
		int r = one(m, c->list[i], in, &in);
		if (r != GIVEN)
			return r;
	}
	if (i == c->n)
		return k->take(m, k, in);
	if (i == c->n - 1)
		return many(m, c->list[i], in, k);
	struct pipe p = {.cont = {take_pipe}, .c = c, .next = i + 1, .k = k};
	return many(m, c->list[i], in, &p.cont);
}

int many_pipe(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	return pipe_from(m, c, 0, in, k);
}

/* a, b */

int many_comma(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct mark mark;
	int r = MORE;

	mark_take(m, &mark);
	for (unsigned i = 0; i < c->n && r == MORE; i++) {
		if (i > 0)
			mark_restore(m, &mark);
		bool last = i == c->n - 1;
		r = many(m, c->list[i], last ? val_take(&in) : input_for(c->list[i], in), k);
	}
	val_free(in);
	mark_drop(&mark);
	return r;
}

/* -a */

int one_negate(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct val v;
	int r = one(m, c->a, in, &v);

	if (r != GIVEN)
		return r;
	*out = negate(m, v);
	return out->kind ? GIVEN : FAILED;
}

struct negating {
	struct cont cont;
	struct cont *k;
};

static int take_negate(struct run *m, struct cont *cont, struct val v)
{
	struct negating *n = (struct negating *)cont;

	v = negate(m, v);
	return v.kind ? n->k->take(m, n->k, v) : FAILED;
}

int many_negate(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct negating n = {.cont = {take_negate}, .k = k};

	return many(m, c->a, in, &n.cont);
}
