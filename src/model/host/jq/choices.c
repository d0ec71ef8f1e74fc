/* Which of two: and, or, //, if. */
#include "model/host/jq/run.h"

/* a and b, a or b */

static int one_logic(struct run *m, const struct code *c, struct val in, struct val *out, bool decides)
{
	struct val v;
	int r = one(m, c->a, input_for(c->a, in), &v);

	if (r == GIVEN && val_true(v) != decides) {
		val_free(v);
		r = one(m, c->b, val_take(&in), &v);
	}
	val_free(in);
	if (r != GIVEN)
		return r;
	*out = val_bool(val_true(v));
	val_free(v);
	return GIVEN;
}

int one_and(struct run *m, const struct code *c, struct val in, struct val *out)
{
	return one_logic(m, c, in, out, false);
}

int one_or(struct run *m, const struct code *c, struct val in, struct val *out)
{
	return one_logic(m, c, in, out, true);
}

struct logic {
	struct cont cont;
	const struct code *c;
	struct cont *k;
	struct val in;
	bool decides;
};

struct truth {
	struct cont cont;
	struct cont *k;
};

static int take_truth(struct run *m, struct cont *cont, struct val v)
{
	struct truth *t = (struct truth *)cont;
	bool truth = val_true(v);

	val_free(v);
	return t->k->take(m, t->k, val_bool(truth));
}

static int take_logic(struct run *m, struct cont *cont, struct val v)
{
	struct logic *l = (struct logic *)cont;
	struct truth t = {.cont = {take_truth}, .k = l->k};
	bool truth = val_true(v);

	val_free(v);
	if (truth == l->decides)
		return l->k->take(m, l->k, val_bool(truth));
	return many(m, l->c->b, val_copy(l->in), &t.cont);
}

static int many_logic(struct run *m, const struct code *c, struct val in, struct cont *k, bool decides)
{
	struct logic l = {.cont = {take_logic}, .c = c, .k = k, .in = in, .decides = decides};
	int r = many(m, c->a, val_copy(in), &l.cont);

	val_free(in);
	return r;
}

int many_and(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	return many_logic(m, c, in, k, false);
}

int many_or(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	return many_logic(m, c, in, k, true);
}

/* a // b */

int one_else(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct mark mark;
	struct val held = c->b->dot ? val_copy(in) : VAL(VAL_NULL), v;

	mark_take(m, &mark);
	int r = one(m, c->a, in, &v);
	if (r == GIVEN && val_true(v)) {
		val_free(held);
		*out = v;
	} else if (r == FAILED) {
		val_free(held);
	} else {
		if (r == GIVEN)
			val_free(v);
		mark_restore(m, &mark);
		r = one(m, c->b, held, out);
	}
	mark_drop(&mark);
	return r;
}

struct otherwise {
	struct cont cont;
	struct cont *k;
	struct val held; /* until something is found */
	bool found;
};

static int take_otherwise(struct run *m, struct cont *cont, struct val v)
{
	struct otherwise *o = (struct otherwise *)cont;

	if (!val_true(v)) {
		val_free(v);
		return MORE;
	}
	o->found = true;
	val_free(val_take(&o->held));
	return o->k->take(m, o->k, v);
}

int many_else(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct otherwise o = {.cont = {take_otherwise}, .k = k, .held = input_for(c->b, in)};
	struct mark mark;

	mark_take(m, &mark);
	int r = many(m, c->a, in, &o.cont);
	if (r == MORE && !o.found) {
		mark_restore(m, &mark);
		r = many(m, c->b, val_take(&o.held), k);
	}
	val_free(o.held);
	mark_drop(&mark);
	return r;
}

/* if a then b else c end */

int one_if(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct val v;
	int r = one_apart(m, c->a, input_for(c->a, in), &v);

	if (unlikely(r != GIVEN)) {
		val_free(in);
		return r;
	}
	const struct code *chosen = val_true(v) ? c->b : c->c;
	val_free(v);
	return one(m, chosen, in, out);
}

struct choice {
	struct cont cont;
	const struct code *c;
	struct cont *k;
	struct val in;
};

static int take_choice(struct run *m, struct cont *cont, struct val v)
{
	struct choice *h = (struct choice *)cont;
	const struct code *chosen = val_true(v) ? h->c->b : h->c->c;

	val_free(v);
	return many(m, chosen, val_copy(h->in), h->k);
}

int many_if(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct choice h = {.cont = {take_choice}, .c = c, .k = k, .in = in};
	struct val v;
	int r;

	if (c->a->simple) {
		r = one_apart(m, c->a, input_for(c->a, in), &v);
		if (r == GIVEN) {
			const struct code *chosen = val_true(v) ? c->b : c->c;
			val_free(v);
			return many(m, chosen, in, k);
		}
	} else {
		r = many_apart(m, c->a, val_copy(in), &h.cont);
	}
	val_free(in);
	return r;
}
