/* Where outputs come from, how many of them are wanted, and where they go: .[], range, first, [a]. */
#include "model/host/jq/run.h"

#include "model/host/jq/text.h"

/* a[] */

struct each {
	struct cont cont;
	const struct code *c;
	struct cont *k;
};

static int fail_each_path(struct run *m, struct val v)
{
	char text[30];

	val_dump_begin(v, text, sizeof(text));
	val_free(v);
	return fail(m, val_message("Invalid path expression near attempt to iterate through %s", text));
}

static int each_element(struct run *m, struct val from, struct val key, struct val v, struct mark *mark,
			struct cont *k)
{
	mark_restore(m, mark);
	if (m->track)
		track_step(m, from, key, v);
	return k->take(m, k, v);
}

static int each_of(struct run *m, const struct code *c, struct val v, struct cont *k)
{
	struct mark mark;
	int r = MORE;
	uint32_t i = 0;

	if (m->track && !val_identical(v, m->track->at))
		return fail_each_path(m, v);
	if (v.kind != VAL_ARRAY && v.kind != VAL_OBJECT) {
		char text[15];

		val_dump_begin(v, text, sizeof(text));
		val_free(v);
		return c->optional
			   ? MORE
			   : fail(m, val_message("Cannot iterate over %s (%s)", val_kind_name(v.kind), text));
	}
	mark_take(m, &mark);
	if (v.kind == VAL_ARRAY)
		for (; i < val_length(v) && r == MORE; i++)
			r = each_element(m, v, val_number(i), val_copy(*val_at(v, i)), &mark, k);
	else
		for (struct val_member *e; r == MORE && (e = val_next(v.u.object, &i));)
			r = each_element(m, v, m->track ? val_key(e) : VAL(VAL_NONE), val_copy(e->value),
					 &mark, k);
	mark_drop(&mark);
	val_free(v);
	return r;
}

static int take_each(struct run *m, struct cont *cont, struct val v)
{
	struct each *e = (struct each *)cont;

	return each_of(m, e->c, v, e->k);
}

int many_each(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct each e = {.cont = {take_each}, .c = c, .k = k};
	struct val v;

	if (!c->a->simple)
		return many(m, c->a, in, &e.cont);
	int r = one(m, c->a, in, &v);
	return r == GIVEN ? each_of(m, c, v, k) : r;
}

/* range(a; b): from each a to each b. */

struct range {
	struct cont cont;
	const struct code *c;
	struct cont *k;
	struct val in, from;
};

static int range_between(struct run *m, struct val from, struct val to, struct cont *k)
{
	struct mark mark;
	int r = MORE;

	if (from.kind != VAL_NUMBER || to.kind != VAL_NUMBER) {
		val_free(to);
		return fail(m, val_text("Range bounds must be numeric"));
	}
	mark_take(m, &mark);
	for (double x = from.u.number; !(x >= to.u.number) && r == MORE; x++) {
		mark_restore(m, &mark);
		r = k->take(m, k, val_number(x));
	}
	mark_drop(&mark);
	return r;
}

static int take_range_end(struct run *m, struct cont *cont, struct val v)
{
	struct range *g = (struct range *)cont;

	return range_between(m, g->from, v, g->k);
}

static int take_range_begin(struct run *m, struct cont *cont, struct val v)
{
	struct range *g = (struct range *)cont;
	struct range end = {.cont = {take_range_end}, .k = g->k, .from = v};
	int r = many(m, g->c->b, val_copy(g->in), &end.cont);

	val_free(v);
	return r;
}

int many_range(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct range begin = {.cont = {take_range_begin}, .c = c, .k = k, .in = in};
	int r = many(m, c->a, val_copy(in), &begin.cont);

	val_free(in);
	return r;
}

/* first(a): where nothing of it catches what follows, the value is taken out of it before anything follows.
 */

struct first {
	struct cont cont;
	struct val v;
	uint32_t number;
	struct cont *k;
};

static int take_first(struct run *m, struct cont *cont, struct val v)
{
	struct first *f = (struct first *)cont;

	f->v = v;
	return STOP;
}

int one_first(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct first f = {.cont = {take_first}};

	m->labels++;
	int r = many(m, c->a, in, &f.cont);
	if (r != STOP)
		return r;
	*out = f.v;
	return GIVEN;
}

static int take_and_end(struct run *m, struct cont *cont, struct val v)
{
	struct first *f = (struct first *)cont;
	int r = f->k->take(m, f->k, v);

	if (r != MORE)
		return r;
	val_free(val_take(&m->error));
	m->failed = true;
	m->breaking = f->number + 1;
	return FAILED;
}

int many_first(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct first f = {.cont = {take_and_end}, .number = m->labels++, .k = k};
	int r = many(m, c->a, in, &f.cont);

	return label_over(m, r, f.number) ? MORE : r;
}

/* [a] */

struct collect {
	struct cont cont;
	struct val array;
};

static int take_collect(struct run *m, struct cont *cont, struct val v)
{
	struct collect *l = (struct collect *)cont;

	l->array = val_push(l->array, v);
	return MORE;
}

int one_array(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct collect l = {.cont = {take_collect}};
	struct mark mark;
	int r;

	mark_take(m, &mark);
	if (c->a->simple) {
		struct val v;
		r = one(m, c->a, in, &v);
		l.array = val_array(1);
		if (r == GIVEN)
			l.array = val_push(l.array, v);
	} else {
		l.array = val_array(8);
		r = many(m, c->a, in, &l.cont);
	}
	mark_restore(m, &mark);
	mark_drop(&mark);
	if (r == FAILED) {
		val_free(l.array);
		return FAILED;
	}
	*out = l.array;
	return GIVEN;
}
