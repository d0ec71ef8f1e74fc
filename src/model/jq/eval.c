/* The nodes that hand values on: pipes, choices, loops, names. */
#include "model/jq/run.h"

#include "model/jq/text.h"

/* Errors. */

int fail(struct run *m, struct val message)
{
	val_put(&m->error, message);
	m->failed = true;
	m->breaking = 0;
	return FAILED;
}

struct val fail_value(struct run *m, struct val message)
{
	fail(m, message);
	return VAL(VAL_NONE);
}

int fail_deep(struct run *m, const char *what)
{
	return fail(m, val_text(what));
}

struct val fail_kind(struct run *m, struct val v, const char *what)
{
	char text[15];

	val_dump_begin(v, text, sizeof(text));
	struct val message = val_message("%s (%s) %s", val_kind_name(v.kind), text, what);
	val_free(v);
	return fail_value(m, message);
}

struct val fail_kinds(struct run *m, struct val a, struct val b, const char *what)
{
	char one[15], other[15];

	val_dump_begin(a, one, sizeof(one));
	val_dump_begin(b, other, sizeof(other));
	struct val message = val_message("%s (%s) and %s (%s) %s", val_kind_name(a.kind), one,
					 val_kind_name(b.kind), other, what);
	val_free(a);
	val_free(b);
	return fail_value(m, message);
}

/* In jq the end of a label is an error like others, whose value is such an object. */
static struct val label_object(uint32_t number)
{
	return val_set(val_object(1), val_text("__jq"), val_number(number));
}

struct val run_catch(struct run *m)
{
	struct val v = m->breaking ? label_object(m->breaking - 1) : val_take(&m->error);

	m->failed = false;
	m->breaking = 0;
	return v;
}

/* Paths. A node that goes on with another value puts the path back to where it was. */

void mark_take(struct run *m, struct mark *mark)
{
	mark->track = m->path;
	if (!m->path)
		return;
	mark->n = m->path->n;
	mark->at = val_copy(m->path->at);
}

void mark_restore(struct run *m, struct mark *mark)
{
	struct track *t = mark->track;

	if (!t)
		return;
	while (t->n > mark->n)
		val_free(t->keys[--t->n]);
	val_put(&t->at, val_copy(mark->at));
}

void mark_drop(struct mark *mark)
{
	if (mark->track)
		val_free(mark->at);
}

/* Apart. */

struct apart {
	struct cont cont;
	struct track *track;
	struct cont *k;
};

static int take_apart(struct run *m, struct cont *cont, struct val v)
{
	struct apart *a = (struct apart *)cont;

	m->track = a->track;
	int r = a->k->take(m, a->k, v);
	m->track = NULL;
	return r;
}

int many_apart(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct apart a = {.cont = {take_apart}, .track = m->track, .k = k};

	if (!m->track)
		return many(m, c, in, k);
	m->track = NULL;
	int r = many(m, c, in, &a.cont);
	m->track = a.track;
	return r;
}

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

static int take_negate(struct run *m, struct cont *cont, struct val v)
{
	struct each *e = (struct each *)cont;

	v = negate(m, v);
	return v.kind ? e->k->take(m, e->k, v) : FAILED;
}

int many_negate(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct each e = {.cont = {take_negate}, .c = c, .k = k};

	return many(m, c->a, in, &e.cont);
}

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

static int take_truth(struct run *m, struct cont *cont, struct val v)
{
	struct each *e = (struct each *)cont;
	bool truth = val_true(v);

	val_free(v);
	return e->k->take(m, e->k, val_bool(truth));
}

static int take_logic(struct run *m, struct cont *cont, struct val v)
{
	struct logic *l = (struct logic *)cont;
	struct each e = {.cont = {take_truth}, .k = l->k};
	bool truth = val_true(v);

	val_free(v);
	if (truth == l->decides)
		return l->k->take(m, l->k, val_bool(truth));
	return many(m, l->c->b, val_copy(l->in), &e.cont);
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

/* try a catch b. What comes after it runs inside of it, as in jq 1.6. */

int many_try(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct mark mark;

	mark_take(m, &mark);
	int r = many(m, c->a, in, k);
	if (r == FAILED) {
		struct val caught = run_catch(m);
		mark_restore(m, &mark);
		if (c->b && val_is(caught, "object")) {
			/* jq takes it for a sign of its own, and looks for more in it. */
			val_free(caught);
			r = fail(m, val_text("Cannot index string with string \"__jq\""));
		} else if (c->b) {
			r = many(m, c->b, caught, k);
		} else {
			val_free(caught);
			r = MORE;
		}
	}
	mark_drop(&mark);
	return r;
}

/* label $x | a */

static bool ends_label(struct run *m, uint32_t number)
{
	if (m->breaking)
		return m->breaking == number + 1;
	if (m->error.kind != VAL_OBJECT || val_members(m->error) != 1)
		return false;
	struct val key = val_text("__jq"), *v = val_find(m->error.u.object, key.u.string);
	bool same = v && v->kind == VAL_NUMBER && v->u.number == number;
	val_free(key);
	return same;
}

static uint32_t begin_label(struct run *m, const struct code *c)
{
	uint32_t number = m->labels++;

	val_put(variable(m, c), val_number(number));
	return number;
}

static bool label_over(struct run *m, int r, uint32_t number)
{
	if (r != FAILED || !ends_label(m, number))
		return false;
	val_free(run_catch(m));
	return true;
}

int one_label(struct run *m, const struct code *c, struct val in, struct val *out)
{
	uint32_t number = begin_label(m, c);
	int r = one(m, c->a, in, out);

	return label_over(m, r, number) ? NOTHING : r;
}

int many_label(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	uint32_t number = begin_label(m, c);
	int r = many(m, c->a, in, k);

	return label_over(m, r, number) ? MORE : r;
}

int one_break(struct run *m, const struct code *c, struct val in, struct val *out)
{
	val_free(in);
	val_free(val_take(&m->error));
	m->failed = true;
	m->breaking = (uint32_t)variable(m, c)->u.number + 1;
	return FAILED;
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

/* first(a): where nothing of it catches what follows, the value is taken out of it before anything follows. */

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
