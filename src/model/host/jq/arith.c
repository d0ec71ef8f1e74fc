/* + - * / % and comparisons. */
#include "model/host/jq/run.h"

#include <limits.h>

#include "model/host/jq/compare.h"

#define LONGEST ((uint64_t)INT32_MAX - 16)

static struct val concat(struct run *m, struct val a, struct val b)
{
	struct slice more = val_slice(b);

	if ((uint64_t)a.u.string->len + more.len >= LONGEST) {
		val_free(a);
		val_free(b);
		return fail_value(m, val_text("String too long"));
	}
	/* "" + b: what a text with something put in begins with. In a path it must be another value than b.
	 */
	if (a.u.string->len == 0 && !m->track) {
		val_free(a);
		return b;
	}
	a = val_append(a, more.data, more.len);
	val_free(b);
	return a;
}

static struct val append_all(struct run *m, struct val a, struct val b)
{
	if (val_length(a) == 0 && val_length(b) > 0 && !m->track) {
		val_free(a);
		return b;
	}
	for (uint32_t i = 0; i < val_length(b); i++)
		a = val_push(a, val_copy(*val_at(b, i)));
	val_free(b);
	return a;
}

static struct val merge(struct val a, struct val b)
{
	uint32_t i = 0;

	for (struct val_member *e; (e = val_next(b.u.object, &i));)
		a = val_set(a, val_key(e), val_copy(e->value));
	val_free(b);
	return a;
}

static struct val add(struct run *m, struct val a, struct val b)
{
	if (a.kind == VAL_NUMBER && b.kind == VAL_NUMBER)
		return number(m, a.u.number + b.u.number);
	if (a.kind == VAL_NULL)
		return b;
	if (b.kind == VAL_NULL)
		return a;
	if (a.kind != b.kind || a.kind < VAL_STRING)
		return fail_kinds(m, a, b, "cannot be added");
	if (a.kind == VAL_STRING)
		return concat(m, a, b);
	let_change(m, a);
	return a.kind == VAL_ARRAY ? append_all(m, a, b) : merge(a, b);
}

/* Without the elements that are in b, too. */
static struct val without(struct run *m, struct val a, struct val b)
{
	struct val rest = val_array(val_length(a));

	for (uint32_t i = 0; i < val_length(a); i++) {
		int same = 0;
		for (uint32_t j = 0; j < val_length(b) && same == 0; j++)
			same = val_equal(*val_at(a, i), *val_at(b, j));
		if (same == VAL_TOO_DEEP) {
			val_free(rest);
			val_free(a);
			val_free(b);
			return fail_value(m, val_text("Equality check too deep"));
		}
		if (!same)
			rest = val_push(rest, val_copy(*val_at(a, i)));
	}
	val_free(a);
	val_free(b);
	return rest;
}

static struct val subtract(struct run *m, struct val a, struct val b)
{
	if (a.kind == VAL_NUMBER && b.kind == VAL_NUMBER)
		return number(m, a.u.number - b.u.number);
	if (a.kind == VAL_ARRAY && b.kind == VAL_ARRAY)
		return without(m, a, b);
	return fail_kinds(m, a, b, "cannot be subtracted");
}

static struct val repeat(struct run *m, struct val text, double times)
{
	double more = times - 1;
	uint32_t len = text.u.string->len;

	/* The whole part counts, but something above 0 is once at least. */
	if (!(more > -1)) {
		val_free(text);
		return VAL(VAL_NULL);
	}
	if (more >= INT_MAX || (uint64_t)len * ((unsigned)more + 1) > INT_MAX) {
		val_free(text);
		return fail_value(m, val_text("Repeat string result too long"));
	}
	size_t n = (unsigned)more + 1;
	struct val_string *s = val_string_sized("", 0, len * n);
	for (size_t i = 0; i < n && len > 0; i++)
		memcpy(s->data + len * i, text.u.string->data, len);
	s->len = (uint32_t)(len * n);
	s->data[s->len] = 0;
	val_free(text);
	return (struct val){.kind = VAL_STRING, .u.string = s};
}

static struct val merge_deep(struct run *m, struct val a, struct val b, int depth)
{
	uint32_t i = 0;

	if (depth > 10000) {
		val_free(a);
		val_free(b);
		return fail_value(m, val_text("Object merge too deep"));
	}
	for (struct val_member *e; (e = val_next(b.u.object, &i));) {
		struct val key = val_key(e), *place = val_object_place(&a, key.u.string);
		val_free(key);
		if (place->kind != VAL_OBJECT || e->value.kind != VAL_OBJECT) {
			val_put(place, val_copy(e->value));
			continue;
		}
		struct val merged = merge_deep(m, val_take(place), val_copy(e->value), depth + 1);
		if (!merged.kind) {
			val_free(a);
			val_free(b);
			return merged;
		}
		*place = merged;
	}
	val_free(b);
	return a;
}

static struct val multiply(struct run *m, struct val a, struct val b)
{
	if (a.kind == VAL_NUMBER && b.kind == VAL_NUMBER)
		return number(m, a.u.number * b.u.number);
	if (a.kind == VAL_STRING && b.kind == VAL_NUMBER)
		return repeat(m, a, b.u.number);
	if (a.kind == VAL_NUMBER && b.kind == VAL_STRING)
		return repeat(m, b, a.u.number);
	if (a.kind == VAL_OBJECT && b.kind == VAL_OBJECT)
		return merge_deep(m, a, b, 0);
	return fail_kinds(m, a, b, "cannot be multiplied");
}

struct val split_text(struct val a, struct val b)
{
	struct val parts = val_array(4);
	const char *at = a.u.string->data, *end = at + a.u.string->len, *found;
	size_t len = b.u.string->len;

	if (len == 0) {
		for (const char *next = at; at < end; at = next) {
			for (next = at + 1; next < end && ((unsigned char)*next & 0xc0) == 0x80;)
				next++;
			parts = val_push(parts, val_string(at, (size_t)(next - at)));
		}
	} else if (at < end) {
		while ((found = memmem(at, (size_t)(end - at), b.u.string->data, len))) {
			parts = val_push(parts, val_string(at, (size_t)(found - at)));
			at = found + len;
		}
		parts = val_push(parts, val_string(at, (size_t)(end - at)));
	}
	val_free(a);
	val_free(b);
	return parts;
}

static struct val divide(struct run *m, struct val a, struct val b)
{
	if (a.kind == VAL_NUMBER && b.kind == VAL_NUMBER) {
		if (b.u.number == 0)
			return fail_kinds(m, a, b, "cannot be divided because the divisor is zero");
		return number(m, a.u.number / b.u.number);
	}
	if (a.kind == VAL_STRING && b.kind == VAL_STRING)
		return split_text(a, b);
	return fail_kinds(m, a, b, "cannot be divided");
}

/* As the processor turns a double into an integer. */
static int64_t whole(double x)
{
	return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

static struct val modulo(struct run *m, struct val a, struct val b)
{
	if (a.kind != VAL_NUMBER || b.kind != VAL_NUMBER)
		return fail_kinds(m, a, b, "cannot be divided (remainder)");
	int64_t x = whole(a.u.number), y = whole(b.u.number);
	if (y == 0)
		return fail_kinds(m, a, b, "cannot be divided (remainder) because the divisor is zero");
	return val_number(y == -1 ? 0 : (double)(x % y));
}

static struct val equal(struct run *m, struct val a, struct val b, bool wanted)
{
	int same = val_equal(a, b);

	val_free(a);
	val_free(b);
	if (same == VAL_TOO_DEEP)
		return fail_value(m, val_text("Equality check too deep"));
	return val_bool((same == 1) == wanted);
}

static struct val compared(struct run *m, enum tree_op op, struct val a, struct val b)
{
	int order = val_compare(a, b);

	val_free(a);
	val_free(b);
	if (order == VAL_TOO_DEEP)
		return fail_value(m, val_text("Comparison too deep"));
	switch (op) {
	case OP_LESS:
		return val_bool(order < 0);
	case OP_LESS_EQUAL:
		return val_bool(order <= 0);
	case OP_GREATER:
		return val_bool(order > 0);
	default:
		return val_bool(order >= 0);
	}
}

struct val binary(struct run *m, enum tree_op op, struct val a, struct val b)
{
	switch (op) {
	case OP_ADD:
		return add(m, a, b);
	case OP_SUBTRACT:
		return subtract(m, a, b);
	case OP_MULTIPLY:
		return multiply(m, a, b);
	case OP_DIVIDE:
		return divide(m, a, b);
	case OP_MODULO:
		return modulo(m, a, b);
	case OP_EQUAL:
		return equal(m, a, b, true);
	case OP_UNEQUAL:
		return equal(m, a, b, false);
	default:
		return compared(m, op, a, b);
	}
}

struct val negate(struct run *m, struct val v)
{
	return v.kind == VAL_NUMBER ? val_number(-v.u.number) : fail_kind(m, v, "cannot be negated");
}
