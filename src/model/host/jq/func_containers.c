/* Functions of arrays and objects. */
#include "model/host/jq/functions.h"

#include <limits.h>
#include <math.h>

#include "model/host/jq/compare.h"
#include "model/host/jq/text.h"

struct val f_length(struct run *m, struct val *a)
{
	double n = 0;

	switch (a[0].kind) {
	case VAL_ARRAY:
		n = val_length(a[0]);
		break;
	case VAL_OBJECT:
		n = val_members(a[0]);
		break;
	case VAL_STRING:
		n = val_codepoints(a[0]);
		break;
	case VAL_NUMBER:
		n = fabs(a[0].u.number);
		break;
	case VAL_NULL:
		break;
	default:
		return fail_kind(m, a[0], "has no length");
	}
	val_free(a[0]);
	return val_number(n);
}

struct val f_type(struct run *m, struct val *a)
{
	const char *name = val_kind_name(a[0].kind);

	val_free(a[0]);
	return val_text(name);
}

struct val f_not(struct run *m, struct val *a)
{
	bool truth = val_true(a[0]);

	val_free(a[0]);
	return val_bool(!truth);
}

/* An error that is null is none, and no output either. */
struct val f_error(struct run *m, struct val *a)
{
	val_free(a[0]);
	if (a[1].kind != VAL_NULL)
		return fail_value(m, a[1]);
	return m->rule ? fail_value(m, val_text("null")) : VAL(VAL_NONE);
}

struct val f_has(struct run *m, struct val *a)
{
	bool there = false, fine = true;

	if (a[0].kind == VAL_OBJECT && a[1].kind == VAL_STRING)
		there = val_find(a[0].u.object, a[1].u.string) != NULL;
	else if (a[0].kind == VAL_ARRAY && a[1].kind == VAL_NUMBER)
		there = a[1].u.number > -1 && a[1].u.number < val_length(a[0]);
	else
		fine = a[0].kind == VAL_NULL;
	if (!fine)
		fail(m, val_message("Cannot check whether %s has a %s key", val_kind_name(a[0].kind),
				    val_kind_name(a[1].kind)));
	val_free(a[0]);
	val_free(a[1]);
	return fine ? val_bool(there) : VAL(VAL_NONE);
}

struct val f_contains(struct run *m, struct val *a)
{
	if (a[0].kind != a[1].kind)
		return fail_kinds(m, a[0], a[1], "cannot have their containment checked");
	bool contains = val_contains(a[0], a[1]);
	val_free(a[0]);
	val_free(a[1]);
	return val_bool(contains);
}

static struct val indices(uint32_t n)
{
	struct val keys = val_array(n);

	for (uint32_t i = 0; i < n; i++)
		keys = val_push(keys, val_number(i));
	return keys;
}

struct val f_keys(struct run *m, struct val *a)
{
	if (a[0].kind != VAL_OBJECT && a[0].kind != VAL_ARRAY)
		return fail_kind(m, a[0], "has no keys");
	struct val keys = a[0].kind == VAL_OBJECT ? val_sorted_keys(a[0]) : indices(val_length(a[0]));
	val_free(a[0]);
	return keys;
}

struct val f_keys_unsorted(struct run *m, struct val *a)
{
	uint32_t i = 0;

	if (a[0].kind != VAL_OBJECT)
		return f_keys(m, a);
	struct val keys = val_array(val_members(a[0]));
	for (struct val_member *e; (e = val_next(a[0].u.object, &i));)
		keys = val_push(keys, val_key(e));
	val_free(a[0]);
	return keys;
}

static struct val entry(struct val key, struct val v)
{
	struct val object = val_object(2);

	object = val_set(object, val_text("key"), key);
	return val_set(object, val_text("value"), v);
}

struct val f_to_entries(struct run *m, struct val *a)
{
	uint32_t i = 0;

	if (a[0].kind != VAL_OBJECT && a[0].kind != VAL_ARRAY)
		return fail_kind(m, a[0], "has no keys");
	struct val entries = val_array(8);
	if (a[0].kind == VAL_OBJECT)
		for (struct val_member *e; (e = val_next(a[0].u.object, &i));)
			entries = val_push(entries, entry(val_key(e), val_copy(e->value)));
	else
		for (; i < val_length(a[0]); i++)
			entries = val_push(entries, entry(val_number(i), val_copy(*val_at(a[0], i))));
	val_free(a[0]);
	return entries;
}

/* What a[] would give, one after the other. */
struct elements {
	struct val of;
	uint32_t i;
};

static bool elements_begin(struct run *m, struct val of, struct elements *ret)
{
	char text[30];

	*ret = (struct elements){.of = of};
	if (m->track && !val_identical(of, m->track->at)) {
		val_dump_begin(of, text, sizeof(text));
		fail(m, val_message("Invalid path expression near attempt to iterate through %s", text));
	} else if (of.kind == VAL_ARRAY || of.kind == VAL_OBJECT) {
		return true;
	} else {
		val_dump_begin(of, text, 15);
		fail(m, val_message("Cannot iterate over %s (%s)", val_kind_name(of.kind), text));
	}
	val_free(of);
	return false;
}

static const struct val *next_element(struct elements *e)
{
	if (e->of.kind == VAL_ARRAY)
		return e->i < val_length(e->of) ? val_at(e->of, e->i++) : NULL;
	struct val_member *member = val_next(e->of.u.object, &e->i);
	return member ? &member->value : NULL;
}

struct val f_add(struct run *m, struct val *a)
{
	struct val sum = VAL(VAL_NULL);
	struct elements e;
	const struct val *v;

	if (!elements_begin(m, a[0], &e))
		return VAL(VAL_NONE);
	while (sum.kind && (v = next_element(&e)))
		sum = binary(m, OP_ADD, sum, val_copy(*v));
	val_free(a[0]);
	return sum;
}

static struct val any_is(struct run *m, struct val of, bool wanted)
{
	struct elements e;
	const struct val *v;
	bool found = false;

	m->labels++;
	if (!elements_begin(m, of, &e))
		return VAL(VAL_NONE);
	while (!found && (v = next_element(&e)))
		found = val_true(*v) == wanted;
	val_free(of);
	return val_bool(found == wanted);
}

struct val f_any(struct run *m, struct val *a)
{
	return any_is(m, a[0], true);
}

struct val f_all(struct run *m, struct val *a)
{
	return any_is(m, a[0], false);
}

/* Sorting. */

static bool both_arrays(struct val a, struct val b)
{
	return a.kind == VAL_ARRAY && b.kind == VAL_ARRAY && val_length(a) == val_length(b);
}

static struct val sorted(struct run *m, struct val array, struct val keys)
{
	uint32_t n = val_length(array), *order = val_alloc((n + 1) * sizeof(*order));
	struct val out = VAL(VAL_NONE);

	if (val_sort_order(keys, order)) {
		out = val_array(n);
		for (uint32_t i = 0; i < n; i++)
			out = val_push(out, val_copy(*val_at(array, order[i])));
	} else {
		fail(m, val_text("Comparison too deep"));
	}
	free(order);
	val_free(array);
	val_free(keys);
	return out;
}

struct val f_sort(struct run *m, struct val *a)
{
	if (a[0].kind != VAL_ARRAY)
		return fail_kind(m, a[0], "cannot be sorted, as it is not an array");
	return sorted(m, a[0], val_copy(a[0]));
}

struct val f_sort_by(struct run *m, struct val *a)
{
	if (!both_arrays(a[0], a[1]))
		return fail_kinds(m, a[0], a[1], "cannot be sorted, as they are not both arrays");
	return sorted(m, a[0], a[1]);
}

struct val f_group_by(struct run *m, struct val *a)
{
	if (!both_arrays(a[0], a[1]))
		return fail_kinds(m, a[0], a[1], "cannot be sorted, as they are not both arrays");
	uint32_t n = val_length(a[0]), *order = val_alloc((n + 1) * sizeof(*order));
	struct val groups = val_array(8), group = VAL(VAL_NONE);
	const char *why = val_sort_order(a[1], order) ? NULL : "Comparison too deep";

	for (uint32_t i = 0, first = 0; i < n && !why; i++) {
		int same = i == 0 ? 0 : val_equal(*val_at(a[1], order[first]), *val_at(a[1], order[i]));
		if (same == VAL_TOO_DEEP)
			why = "Equality check too deep";
		if (same == 0) {
			if (group.kind)
				groups = val_push(groups, group);
			group = val_array(4);
			first = i;
		}
		group = val_push(group, val_copy(*val_at(a[0], order[i])));
	}
	if (group.kind)
		groups = val_push(groups, group);
	free(order);
	val_free(a[0]);
	val_free(a[1]);
	if (!why)
		return groups;
	val_free(groups);
	return fail_value(m, val_text(why));
}

static struct val extreme(struct run *m, struct val array, struct val keys, bool least)
{
	if (array.kind != VAL_ARRAY || keys.kind != VAL_ARRAY)
		return fail_kinds(m, array, keys, "cannot be iterated over");
	if (val_length(array) != val_length(keys))
		return fail_kinds(m, array, keys, "have wrong length");
	uint32_t found = 0;
	int order = 0;
	for (uint32_t i = 1; i < val_length(array) && order != VAL_TOO_DEEP; i++) {
		order = val_compare(*val_at(keys, i), *val_at(keys, found));
		if ((order < 0) == least)
			found = i;
	}
	struct val v = val_length(array) > 0 ? val_copy(*val_at(array, found)) : VAL(VAL_NULL);
	val_free(array);
	val_free(keys);
	if (order != VAL_TOO_DEEP)
		return v;
	val_free(v);
	return fail_value(m, val_text("Comparison too deep"));
}

struct val f_min(struct run *m, struct val *a)
{
	return extreme(m, a[0], val_copy(a[0]), true);
}

struct val f_max(struct run *m, struct val *a)
{
	return extreme(m, a[0], val_copy(a[0]), false);
}

struct val f_min_by(struct run *m, struct val *a)
{
	return extreme(m, a[0], a[1], true);
}

struct val f_max_by(struct run *m, struct val *a)
{
	return extreme(m, a[0], a[1], false);
}

/* Paths. */

struct val f_getpath(struct run *m, struct val *a)
{
	struct track *t = m->track;
	struct val v = get_path(m, val_copy(a[0]), a[1]);

	/* It is a step of a path, too, but where it begins at another value it is no error. */
	if (v.kind && t && val_identical(a[0], t->at)) {
		struct val at = val_copy(a[0]);
		for (uint32_t i = 0; i < val_length(a[1]); i++) {
			struct val key = *val_at(a[1], i), next = index_borrowed(m, &at, &key);
			track_step(m, at, val_copy(key), next);
			val_put(&at, next);
		}
		val_free(at);
		val_put(&t->at, val_copy(v));
	}
	val_free(a[0]);
	val_free(a[1]);
	return v;
}

struct val f_setpath(struct run *m, struct val *a)
{
	struct val v = set_path(m, a[0], a[1], a[2]);

	val_free(a[1]);
	val_free(a[2]);
	return v;
}

struct val f_delpaths(struct run *m, struct val *a)
{
	struct val v = delete_paths(m, a[0], a[1]);

	val_free(a[1]);
	return v;
}
