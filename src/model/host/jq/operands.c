/* The nodes that compute with the values of their operands. */
#include "model/host/jq/run.h"

#include <limits.h>

#include "model/host/jq/compare.h"
#include "model/host/jq/text.h"

#define MANY_OPERANDS 64

/* The container of an index is a part of the path; all other operands are apart from it. */
static inline bool is_apart(const struct code *c, unsigned i)
{
	return i + 1 < c->n || (c->kind != CODE_INDEX && c->kind != CODE_SLICE);
}

static inline int operand(struct run *m, const struct code *c, unsigned i, struct val in, struct val *out)
{
	return is_apart(c, i) ? one_apart(m, c->list[i], in, out) : one(m, c->list[i], in, out);
}

static void free_all(struct val *vals, unsigned n)
{
	while (n > 0)
		val_free(vals[--n]);
}

/* A key is looked at when its value is there, before what comes behind them. */
static int check_key(struct run *m, const struct code *c, unsigned i, const struct val *vals)
{
	char text[15];

	if (c->kind != CODE_OBJECT || i % 2 == 0 || vals[i - 1].kind == VAL_STRING)
		return GIVEN;
	val_dump_begin(vals[i - 1], text, sizeof(text));
	return fail(m,
		    val_message("Cannot use %s (%s) as object key", val_kind_name(vals[i - 1].kind), text));
}

static int one_operands(struct run *m, const struct code *c, struct val in, struct val *vals)
{
	if (c->last_dot == c->n)
		val_free(val_take(&in));
	for (unsigned i = 0; i < c->n; i++) {
		int r = operand(m, c, i, operand_input(c, i, &in), &vals[i]);
		if (likely(r == GIVEN) && unlikely(check_key(m, c, i, vals) != GIVEN)) {
			val_free(vals[i]);
			r = FAILED;
		}
		if (unlikely(r != GIVEN)) {
			free_all(vals, i);
			val_free(in);
			return r;
		}
	}
	return GIVEN;
}

static int one_finished(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct val few[MANY_OPERANDS], *vals = c->n <= MANY_OPERANDS ? few : val_alloc(c->n * sizeof(*vals));
	int r = one_operands(m, c, in, vals);

	if (r == GIVEN)
		r = finish(m, c, vals, out);
	if (vals != few)
		free(vals);
	return r;
}

/* With several values of some operands: each with each, the first operand changing last. */
struct operands {
	struct cont cont;
	const struct code *c;
	unsigned i;
	struct val in, *vals;
	struct cont *k;
};

static int operands_from(struct run *m, const struct code *c, unsigned i, struct val in, struct val *vals,
			 struct cont *k);

static int take_operand(struct run *m, struct cont *cont, struct val v)
{
	struct operands *o = (struct operands *)cont;

	o->vals[o->i] = v;
	int r = check_key(m, o->c, o->i, o->vals) == GIVEN
		    ? operands_from(m, o->c, o->i + 1, o->in, o->vals, o->k)
		    : FAILED;
	val_free(val_take(&o->vals[o->i]));
	return r;
}

static int finish_copies(struct run *m, const struct code *c, const struct val *vals, struct cont *k)
{
	struct val few[MANY_OPERANDS], *own = c->n <= MANY_OPERANDS ? few : val_alloc(c->n * sizeof(*own)), v;

	for (unsigned i = 0; i < c->n; i++)
		own[i] = val_copy(vals[i]);
	int r = finish(m, c, own, &v);
	if (own != few)
		free(own);
	return r == GIVEN ? k->take(m, k, v) : r;
}

static int operands_from(struct run *m, const struct code *c, unsigned i, struct val in, struct val *vals,
			 struct cont *k)
{
	unsigned from = i;
	int r = GIVEN;

	for (; i < c->n && c->list[i]->simple && r == GIVEN; i++) {
		r = operand(m, c, i, input_for(c->list[i], in), &vals[i]);
		if (r != GIVEN)
			break;
		r = check_key(m, c, i, vals);
	}
	if (r != GIVEN) {
		/* Those before it are freed below. */
	} else if (i == c->n) {
		r = finish_copies(m, c, vals, k);
	} else {
		struct operands o = {.cont = {take_operand}, .c = c, .i = i, .in = in, .vals = vals, .k = k};
		struct val input = input_for(c->list[i], in);
		r = is_apart(c, i) ? many_apart(m, c->list[i], input, &o.cont)
				   : many(m, c->list[i], input, &o.cont);
	}
	while (i > from)
		val_free(val_take(&vals[--i]));
	return r;
}

int many_operands(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	struct val few[MANY_OPERANDS], *vals = c->n <= MANY_OPERANDS ? few : val_alloc(c->n * sizeof(*vals));
	int r = operands_from(m, c, 0, in, vals, k);

	val_free(in);
	if (vals != few)
		free(vals);
	return r;
}

/* a[b] */

static struct val no_index(struct run *m, struct val a, struct val k)
{
	const char *kind = val_kind_name(a.kind);

	/* A short name may help to find the place. */
	if (k.kind == VAL_STRING && k.u.string->len < 30)
		return fail_value(m,
				  val_message("Cannot index %s with string \"%s\"", kind, k.u.string->data));
	return fail_value(m, val_message("Cannot index %s with %s", kind, val_kind_name(k.kind)));
}

struct val slice_member(struct val key, const char *name)
{
	struct val n = val_text(name), *v = val_find(key.u.object, n.u.string);

	val_free(n);
	return v ? *v : VAL(VAL_NONE);
}

struct val slice_key(struct val from, struct val to)
{
	struct val key = val_object(2);

	key = val_set(key, val_text("start"), from);
	return val_set(key, val_text("end"), to);
}

bool slice_bounds(struct val from, struct val to, uint32_t len, uint32_t *ret_from, uint32_t *ret_to)
{
	double start = from.u.number, end = to.u.number;

	if (from.kind == VAL_NULL)
		start = 0;
	else if (from.kind != VAL_NUMBER)
		return false;
	if (to.kind == VAL_NULL)
		end = len;
	else if (to.kind != VAL_NUMBER)
		return false;
	if (start < 0)
		start += len;
	if (end < 0)
		end += len;
	if (start < 0 || start != start)
		start = 0;
	if (start > len)
		start = len;
	*ret_from = (uint32_t)start;
	/* The end is behind the last one: 1.5 takes the second one in. */
	if (end > len || end != end)
		end = end != end ? 0 : len;
	int whole = (int)end;
	whole += whole < end;
	uint32_t last = whole > 0 ? (uint32_t)whole : 0;
	*ret_to = max(last, *ret_from);
	return true;
}

/* Where the n-th character begins. */
static const char *character(const struct val_string *s, const char *at, uint32_t n)
{
	const char *end = s->data + s->len;

	while (n-- > 0 && at < end)
		for (at++; at < end && ((unsigned char)*at & 0xc0) == 0x80;)
			at++;
	return at;
}

static struct val slice(struct run *m, struct val a, struct val from, struct val to)
{
	uint32_t first, last;

	if (a.kind == VAL_NULL)
		return a;
	if (a.kind == VAL_ARRAY) {
		if (!slice_bounds(from, to, val_length(a), &first, &last)) {
			val_free(a);
			return fail_value(
			    m, val_text("Start and end indices of an array slice must be numbers"));
		}
		if (first < last)
			return val_array_part(a, first, last);
		val_free(a);
		return val_array(0);
	}
	if (a.kind != VAL_STRING)
		return no_index(m, a, VAL(VAL_OBJECT));
	if (!slice_bounds(from, to, val_codepoints(a), &first, &last)) {
		val_free(a);
		return fail_value(m, val_text("Start and end indices of an string slice must be numbers"));
	}
	const char *begin = character(a.u.string, a.u.string->data, first);
	struct val part = val_string(begin, (size_t)(character(a.u.string, begin, last - first) - begin));
	val_free(a);
	return part;
}

static int stands_at(struct val a, uint32_t i, struct val b)
{
	int same = i + val_length(b) <= val_length(a);

	for (uint32_t j = 0; j < val_length(b) && same == 1; j++)
		same = val_equal(*val_at(a, i + j), *val_at(b, j));
	return same;
}

/* The places at which b stands in a. */
static struct val places_in(struct run *m, struct val a, struct val b)
{
	struct val found = val_array(4);

	for (uint32_t i = 0; i < val_length(a) && val_length(b) > 0; i++) {
		int there = stands_at(a, i, b);
		if (there == VAL_TOO_DEEP) {
			val_free(found);
			return fail_value(m, val_text("Equality check too deep"));
		}
		if (there)
			found = val_push(found, val_number(i));
	}
	return found;
}

struct val index_borrowed(struct run *m, const struct val *a, const struct val *k)
{
	const struct val *found = NULL;

	if (a->kind == VAL_OBJECT && k->kind == VAL_STRING) {
		found = val_find(a->u.object, k->u.string);
		return found ? val_copy(*found) : VAL(VAL_NULL);
	}
	if (a->kind == VAL_ARRAY && k->kind == VAL_NUMBER) {
		double at = k->u.number;
		if (!(at >= INT_MIN && at <= INT_MAX) || at != (int)at)
			return VAL(VAL_NULL);
		if (at < 0)
			at += val_length(*a);
		return at >= 0 && at < val_length(*a) ? val_copy(*val_at(*a, (uint32_t)at)) : VAL(VAL_NULL);
	}
	if (k->kind == VAL_OBJECT && (a->kind == VAL_ARRAY || a->kind == VAL_STRING))
		return slice(m, val_copy(*a), slice_member(*k, "start"), slice_member(*k, "end"));
	if (a->kind == VAL_ARRAY && k->kind == VAL_ARRAY)
		return places_in(m, *a, *k);
	if (a->kind == VAL_NULL && (k->kind == VAL_STRING || k->kind == VAL_NUMBER || k->kind == VAL_OBJECT))
		return VAL(VAL_NULL);
	return no_index(m, *a, *k);
}

struct val index_of(struct run *m, struct val a, struct val k)
{
	struct val v = index_borrowed(m, &a, &k);

	val_free(a);
	val_free(k);
	return v;
}

/* Notes a step of a path. False, with an error, where it begins at a value that is not on it. */
bool track_step(struct run *m, struct val from, struct val key, struct val to)
{
	struct track *t = m->track;

	if (!val_identical(from, t->at)) {
		char text[15], of[30];

		val_dump_begin(key, text, sizeof(text));
		val_dump_begin(from, of, sizeof(of));
		val_free(key);
		fail(m, val_message("Invalid path expression near attempt to access element %s of %s", text,
				    of));
		return false;
	}
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 8;
		t->keys = val_realloc(t->keys, t->cap * sizeof(*t->keys));
	}
	t->keys[t->n++] = key;
	val_put(&t->at, val_copy(to));
	return true;
}

int index_step(struct run *m, struct val a, struct val k, bool optional, struct val *out)
{
	struct val v;

	if (m->track && !val_identical(a, m->track->at)) {
		track_step(m, a, k, a);
		val_free(a);
		return FAILED;
	}
	v = index_borrowed(m, &a, &k);
	if (v.kind == VAL_NONE) {
		val_free(a);
		val_free(k);
		if (!optional)
			return FAILED;
		val_free(run_catch(m));
		return NOTHING;
	}
	if (m->track)
		track_step(m, a, k, v);
	else
		val_free(k);
	val_free(a);
	*out = v;
	return GIVEN;
}

static int give_slice(struct run *m, const struct code *c, struct val *vals, struct val *out)
{
	struct val a = vals[2];

	if (m->track || (a.kind != VAL_ARRAY && a.kind != VAL_STRING))
		return index_step(m, a, slice_key(vals[0], vals[1]), c->optional, out);
	*out = slice(m, a, vals[0], vals[1]);
	val_free(vals[0]);
	val_free(vals[1]);
	if (out->kind)
		return GIVEN;
	if (!c->optional)
		return FAILED;
	val_free(run_catch(m));
	return NOTHING;
}

/* A value that is there already, without taking hold of it. */
static const struct val *peek(struct run *m, const struct code *c, const struct val *in)
{
	if (c->kind == CODE_DOT)
		return in;
	if (c->kind == CODE_VARIABLE)
		return variable(m, c);
	if (c->kind == CODE_CONST)
		return &c->value;
	if (c->kind != CODE_INDEX)
		return NULL;
	const struct val *k = peek(m, c->list[0], in), *a = k ? peek(m, c->list[1], in) : NULL;
	if (!a || a->kind != VAL_OBJECT || k->kind != VAL_STRING)
		return NULL;
	return val_find(a->u.object, k->u.string);
}

int one_index(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct val vals[2];
	const struct val *there = m->track ? NULL : peek(m, c, &in);

	if (there) {
		*out = val_copy(*there);
		val_free(in);
		return GIVEN;
	}
	int r = one_operands(m, c, in, vals);
	return r == GIVEN ? index_step(m, vals[1], vals[0], c->optional, out) : r;
}

int one_slice(struct run *m, const struct code *c, struct val in, struct val *out)
{
	return one_finished(m, c, in, out);
}

int one_binary(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct val vals[2];
	int r = one_operands(m, c, in, vals);

	if (r != GIVEN)
		return r;
	*out = binary(m, c->op, vals[1], vals[0]);
	return out->kind ? GIVEN : FAILED;
}

int one_object(struct run *m, const struct code *c, struct val in, struct val *out)
{
	return one_finished(m, c, in, out);
}

int one_function(struct run *m, const struct code *c, struct val in, struct val *out)
{
	return one_finished(m, c, in, out);
}

static int give_object(struct run *m, const struct code *c, struct val *vals, struct val *out)
{
	struct val object = val_object(max(c->n / 2, 1u));

	for (unsigned i = 0; i < c->n; i += 2)
		object = val_set(object, vals[i], vals[i + 1]);
	*out = object;
	return GIVEN;
}

/* The values are those of the arguments, from the last one to the input. */
static int give_function(struct run *m, const struct code *c, struct val *vals, struct val *out)
{
	struct val args[6];

	for (unsigned i = 0; i < c->n; i++)
		args[i] = vals[c->n - 1 - i];
	if (c->builtin->writes)
		let_change(m, args[0]);
	*out = c->builtin->call(m, args);
	if (out->kind)
		return GIVEN;
	return m->failed ? FAILED : NOTHING;
}

int finish(struct run *m, const struct code *c, struct val *vals, struct val *out)
{
	switch (c->kind) {
	case CODE_INDEX:
		return index_step(m, vals[1], vals[0], c->optional, out);
	case CODE_SLICE:
		return give_slice(m, c, vals, out);
	case CODE_OBJECT:
		return give_object(m, c, vals, out);
	case CODE_FUNCTION:
		return give_function(m, c, vals, out);
	default:
		*out = binary(m, c->op, vals[1], vals[0]);
		return out->kind ? GIVEN : FAILED;
	}
}
