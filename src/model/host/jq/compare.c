#include "model/host/jq/compare.h"

#define DEEPEST 10000

static int equal(struct val a, struct val b, int depth);

static int equal_arrays(struct val a, struct val b, int depth)
{
	if (val_length(a) != val_length(b))
		return 0;
	for (uint32_t i = 0; i < val_length(a); i++) {
		int r = equal(*val_at(a, i), *val_at(b, i), depth);
		if (r != 1)
			return r;
	}
	return 1;
}

static int equal_objects(struct val a, struct val b, int depth)
{
	uint32_t i = 0, n = 0;

	for (struct val_member *m; (m = val_next(a.u.object, &i)); n++) {
		struct val key = val_key(m), *other = val_find(b.u.object, key.u.string);
		val_free(key);
		if (!other)
			return 0;
		int r = equal(m->value, *other, depth);
		if (r != 1)
			return r;
	}
	return n == val_members(b);
}

static int equal(struct val a, struct val b, int depth)
{
	if (depth > DEEPEST)
		return VAL_TOO_DEEP;
	if (a.kind != b.kind)
		return 0;
	if (a.kind == VAL_NUMBER)
		return a.u.number == b.u.number;
	if (!val_counted(a) || a.u.heap == b.u.heap)
		return 1;
	if (a.kind == VAL_STRING)
		return slice_eq(val_slice(a), val_slice(b));
	return a.kind == VAL_ARRAY ? equal_arrays(a, b, depth + 1) : equal_objects(a, b, depth + 1);
}

int val_equal(struct val a, struct val b)
{
	return equal(a, b, 0);
}

static int compare(struct val a, struct val b, int depth);

static int compare_strings(const struct val_string *a, const struct val_string *b)
{
	int r = memcmp(a->data, b->data, min(a->len, b->len));

	return r ? r : (int)a->len - (int)b->len;
}

static int compare_numbers(struct val a, struct val b, int depth)
{
	double x = a.u.number, y = b.u.number;

	if (x != x)
		return compare(VAL(VAL_NULL), b, depth);
	if (y != y)
		return compare(a, VAL(VAL_NULL), depth);
	return x < y ? -1 : x > y;
}

static int compare_arrays(struct val a, struct val b, int depth)
{
	for (uint32_t i = 0;; i++) {
		int a_ends = i >= val_length(a), b_ends = i >= val_length(b);
		if (a_ends || b_ends)
			return b_ends - a_ends;
		int r = compare(*val_at(a, i), *val_at(b, i), depth + 1);
		if (r)
			return r;
	}
}

/* First by their keys, then by the values in the order of these. */
static int compare_objects(struct val a, struct val b, int depth)
{
	struct val keys = val_sorted_keys(a), others = val_sorted_keys(b);
	int r = compare(keys, others, depth + 1);

	for (uint32_t i = 0; i < val_length(keys) && r == 0; i++) {
		struct val_string *key = val_at(keys, i)->u.string;
		r = compare(*val_find(a.u.object, key), *val_find(b.u.object, key), depth + 1);
	}
	val_free(keys);
	val_free(others);
	return r;
}

static int compare(struct val a, struct val b, int depth)
{
	if (depth > DEEPEST)
		return VAL_TOO_DEEP;
	if (a.kind != b.kind)
		return (int)a.kind - (int)b.kind;
	switch (a.kind) {
	case VAL_NUMBER:
		return compare_numbers(a, b, depth);
	case VAL_STRING:
		return compare_strings(a.u.string, b.u.string);
	case VAL_ARRAY:
		return compare_arrays(a, b, depth);
	case VAL_OBJECT:
		return compare_objects(a, b, depth);
	default:
		return 0;
	}
}

int val_compare(struct val a, struct val b)
{
	return compare(a, b, 0);
}

static bool contains(struct val a, struct val b)
{
	uint32_t i = 0;

	if (a.kind == VAL_OBJECT) {
		for (struct val_member *m; (m = val_next(b.u.object, &i));) {
			struct val key = val_key(m), *in = val_find(a.u.object, key.u.string);
			val_free(key);
			if (!in || !val_contains(*in, m->value))
				return false;
		}
		return true;
	}
	if (a.kind == VAL_STRING)
		return strstr(a.u.string->data, b.u.string->data) != NULL;
	if (a.kind != VAL_ARRAY)
		return val_equal(a, b) == 1;
	for (i = 0; i < val_length(b); i++) {
		bool found = false;
		for (uint32_t j = 0; j < val_length(a) && !found; j++)
			found = val_contains(*val_at(a, j), *val_at(b, i));
		if (!found)
			return false;
	}
	return true;
}

bool val_contains(struct val a, struct val b)
{
	return a.kind == b.kind && contains(a, b);
}

static int by_text(const void *a, const void *b)
{
	const struct val *x = a, *y = b;

	return compare_strings(x->u.string, y->u.string);
}

struct val val_sorted_keys(struct val object)
{
	struct val keys = val_array(val_members(object));
	uint32_t i = 0;

	for (struct val_member *m; (m = val_next(object.u.object, &i));)
		keys = val_push(keys, val_key(m));
	if (val_length(keys) > 1)
		qsort(val_at(keys, 0), val_length(keys), sizeof(struct val), by_text);
	return keys;
}

struct sorting {
	const struct val *keys;
	bool too_deep;
};

static int by_key(const void *a, const void *b, void *arg)
{
	struct sorting *s = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int r = val_compare(s->keys[x], s->keys[y]);

	if (r == VAL_TOO_DEEP) {
		s->too_deep = true;
		return 0;
	}
	return r ? r : x < y ? -1 : x > y;
}

bool val_sort_order(struct val keys, uint32_t *order)
{
	uint32_t n = val_length(keys);
	struct sorting s = {.keys = val_at(keys, 0)};

	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (n > 1)
		qsort_r(order, n, sizeof(*order), by_key, &s);
	return !s.too_deep;
}
