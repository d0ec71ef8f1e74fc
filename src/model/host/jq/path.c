/* Changes of a part of a value. What they mean is what jq's getpath, setpath and delpaths mean, errors
 * included; the costs are those of the path, not of the containers along it. */
#include <limits.h>

#include "model/host/jq/compare.h"
#include "model/host/jq/run.h"
#include "model/host/jq/text.h"

#define LONGEST_PATH 10000
#define LARGEST_INDEX (INT_MAX >> 2) /* jq 1.7 has this limit; 1.6 writes beyond the array */

static int to_int(double x)
{
	return x > -2147483649.0 && x < 2147483648.0 ? (int)x : INT_MIN;
}

/* jq reads only at whole numbers, but writes at others, too. */
static bool is_whole(double x)
{
	return x >= INT_MIN && x <= INT_MAX && x == (int)x;
}

/* A part that is not there yet. */
static int change_new(struct run *m, const struct val *keys, unsigned n, struct change *ch, struct val *ret)
{
	*ret = VAL(VAL_NULL);
	int r = change_at(m, ret, keys + 1, n - 1, ch);
	if (r != GIVEN)
		val_free(*ret);
	return r;
}

static int change_member(struct run *m, struct val *at, const struct val *keys, unsigned n, struct change *ch)
{
	struct val_string *key = keys[0].u.string;
	struct val *found = val_find(at->u.object, key), made;
	int r;

	if (!found) {
		r = change_new(m, keys, n, ch, &made);
		if (r == GIVEN)
			*val_object_place(at, key) = made;
		return r;
	}
	if (!val_alone(*at)) {
		*at = val_own(*at);
		found = val_find(at->u.object, key);
	}
	r = change_at(m, found, keys + 1, n - 1, ch);
	if (r == NOTHING && n == 1)
		*at = val_remove(*at, key);
	return r == FAILED ? FAILED : GIVEN;
}

static int put_element(struct run *m, struct val *at, int i, struct val v)
{
	if (i < 0 || i > LARGEST_INDEX) {
		val_free(v);
		return fail(m,
			    val_text(i < 0 ? "Out of bounds negative array index" : "Array index too large"));
	}
	val_put(val_array_place(at, (uint32_t)i), v);
	return GIVEN;
}

static int change_element(struct run *m, struct val *at, const struct val *keys, unsigned n,
			  struct change *ch)
{
	double index = keys[0].u.number;
	uint32_t len = val_length(*at);
	int i = to_int(index), r;
	struct val made;

	if (i < 0 && i != INT_MIN)
		i += (int)len;
	bool there = i >= 0 && (uint32_t)i < len;
	if (!there || !is_whole(index)) {
		r = change_new(m, keys, n, ch, &made);
		if (r == GIVEN)
			return put_element(m, at, i, made);
	} else {
		r = change_at(m, val_array_place(at, (uint32_t)i), keys + 1, n - 1, ch);
	}
	/* For what is removed -0.5 is the place behind the end. */
	there = there && !(index < 0 && index > -1);
	if (r == NOTHING && n == 1 && there)
		*at = val_array_remove(*at, (uint32_t)i, (uint32_t)i + 1);
	return r == NOTHING && there ? GIVEN : r;
}

/* Puts the elements of `more` in the place of those between. */
static struct val splice(struct val array, uint32_t from, uint32_t to, struct val more)
{
	uint32_t len = val_length(array);
	struct val whole = val_array(from + val_length(more) + (len - to));

	for (uint32_t i = 0; i < from; i++)
		whole = val_push(whole, val_copy(*val_at(array, i)));
	for (uint32_t i = 0; i < val_length(more); i++)
		whole = val_push(whole, val_copy(*val_at(more, i)));
	for (uint32_t i = to; i < len; i++)
		whole = val_push(whole, val_copy(*val_at(array, i)));
	val_free(array);
	val_free(more);
	return whole;
}

static int put_slice(struct run *m, struct val *at, struct val key, struct val part)
{
	uint32_t from, to;

	if (at->kind == VAL_NULL)
		*at = val_array(0);
	if (!slice_bounds(slice_member(key, "start"), slice_member(key, "end"), val_length(*at), &from,
			  &to)) {
		val_free(part);
		return fail(m, val_text("Start and end indices of an array slice must be numbers"));
	}
	if (part.kind != VAL_ARRAY) {
		val_free(part);
		return fail(m, val_text("A slice of an array can only be assigned another array"));
	}
	*at = splice(*at, from, to, part);
	return GIVEN;
}

static int change_slice(struct run *m, struct val *at, const struct val *keys, unsigned n, struct change *ch)
{
	struct val part = index_borrowed(m, at, &keys[0]);
	uint32_t from = 0, to = 0;

	if (part.kind == VAL_NONE)
		return FAILED;
	int r = change_at(m, &part, keys + 1, n - 1, ch);
	if (r == GIVEN)
		return put_slice(m, at, keys[0], part);
	val_free(part);
	if (r == NOTHING && n == 1 &&
	    slice_bounds(slice_member(keys[0], "start"), slice_member(keys[0], "end"), val_length(*at), &from,
			 &to))
		*at = val_array_remove(*at, from, to);
	return r == FAILED ? FAILED : GIVEN;
}

static int change_null(struct run *m, struct val *at, const struct val *keys, unsigned n, struct change *ch)
{
	struct val made;
	int r = change_new(m, keys, n, ch, &made);

	if (r != GIVEN)
		return r;
	if (keys[0].kind == VAL_OBJECT)
		return put_slice(m, at, keys[0], made);
	if (keys[0].kind == VAL_STRING) {
		*at = val_object(4);
		*val_object_place(at, keys[0].u.string) = made;
		return GIVEN;
	}
	*at = val_array(4);
	return put_element(m, at, to_int(keys[0].u.number), made);
}

/* What can be read, but not written. */
static int change_other(struct run *m, struct val *at, const struct val *keys, unsigned n, struct change *ch)
{
	struct val part = index_borrowed(m, at, &keys[0]);

	if (part.kind == VAL_NONE)
		return FAILED;
	int r = change_at(m, &part, keys + 1, n - 1, ch);
	val_free(part);
	if (r == FAILED)
		return r;
	if (r == GIVEN)
		return fail(m, val_message("Cannot update field at %s index of %s",
					   val_kind_name(keys[0].kind), val_kind_name(at->kind)));
	if (at->kind == VAL_ARRAY)
		return fail(m, val_message("Cannot delete %s element of array", val_kind_name(keys[0].kind)));
	return fail(m, val_message("Cannot delete fields from %s", val_kind_name(at->kind)));
}

int change_at(struct run *m, struct val *at, const struct val *keys, unsigned n, struct change *ch)
{
	if (n == 0) {
		struct val part = val_take(at);
		int r = ch->apply(m, ch, &part);
		*at = r == GIVEN ? part : VAL(VAL_NULL);
		return r;
	}
	enum val_kind key = keys[0].kind;
	if (at->kind == VAL_OBJECT && key == VAL_STRING)
		return change_member(m, at, keys, n, ch);
	if (at->kind == VAL_ARRAY && key == VAL_NUMBER)
		return change_element(m, at, keys, n, ch);
	if (at->kind == VAL_ARRAY && key == VAL_OBJECT)
		return change_slice(m, at, keys, n, ch);
	if (at->kind == VAL_NULL && (key == VAL_STRING || key == VAL_NUMBER || key == VAL_OBJECT))
		return change_null(m, at, keys, n, ch);
	return change_other(m, at, keys, n, ch);
}

/* jq's functions. */

static bool check_path(struct run *m, struct val path)
{
	if (path.kind != VAL_ARRAY)
		fail(m, val_text("Path must be specified as an array"));
	else if (val_length(path) > LONGEST_PATH)
		fail(m, val_text("Path too deep"));
	else
		return true;
	return false;
}

struct val get_path(struct run *m, struct val root, struct val path)
{
	if (!check_path(m, path)) {
		val_free(root);
		return VAL(VAL_NONE);
	}
	for (uint32_t i = 0; i < val_length(path) && root.kind; i++)
		root = index_of(m, root, val_copy(*val_at(path, i)));
	return root;
}

struct setting {
	struct change change;
	struct val v;
};

static int apply_setting(struct run *m, struct change *ch, struct val *part)
{
	struct setting *s = (struct setting *)ch;

	val_free(*part);
	*part = val_copy(s->v);
	return GIVEN;
}

struct val set_path(struct run *m, struct val root, struct val path, struct val v)
{
	struct setting s = {.change = {apply_setting}, .v = v};

	if (check_path(m, path) &&
	    change_at(m, &root, val_at(path, 0), val_length(path), &s.change) != FAILED)
		return root;
	val_free(root);
	return VAL(VAL_NONE);
}

/* Some keys of one container. */
static bool remove_elements(struct run *m, struct val *t, const struct val *keys, uint32_t n)
{
	uint32_t len = val_length(*t), from, to;
	bool *gone = val_alloc(len + 1), fine = true;
	struct val rest;

	memset(gone, 0, len + 1);
	for (uint32_t i = 0; i < n && fine; i++) {
		if (keys[i].kind == VAL_NUMBER) {
			int at = to_int(keys[i].u.number);
			if (keys[i].u.number < 0 && at != INT_MIN)
				at += (int)len;
			if (at >= 0 && (uint32_t)at < len)
				gone[at] = true;
		} else if (keys[i].kind != VAL_OBJECT) {
			fail(m,
			     val_message("Cannot delete %s element of array", val_kind_name(keys[i].kind)));
			fine = false;
		} else if (slice_bounds(slice_member(keys[i], "start"), slice_member(keys[i], "end"), len,
					&from, &to)) {
			memset(gone + from, true, to - from);
		} else {
			fail(m, val_text("Start and end indices of an array slice must be numbers"));
			fine = false;
		}
	}
	if (fine) {
		rest = val_array(len);
		for (uint32_t i = 0; i < len; i++)
			if (!gone[i])
				rest = val_push(rest, val_copy(*val_at(*t, i)));
		val_put(t, rest);
	}
	free(gone);
	return fine;
}

static bool remove_keys(struct run *m, struct val *t, const struct val *keys, uint32_t n)
{
	if (t->kind == VAL_NULL || n == 0)
		return true;
	if (t->kind == VAL_ARRAY)
		return remove_elements(m, t, keys, n);
	if (t->kind != VAL_OBJECT) {
		fail(m, val_message("Cannot delete fields from %s", val_kind_name(t->kind)));
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (keys[i].kind != VAL_STRING) {
			fail(m, val_message("Cannot delete %s field of object", val_kind_name(keys[i].kind)));
			return false;
		}
		*t = val_remove(*t, keys[i].u.string);
	}
	return true;
}

/* Sorted paths, which are the same before `start`. */
static bool delete_sorted(struct run *m, struct val *t, const struct val *paths, uint32_t n, uint32_t start)
{
	struct val *keys = val_alloc((n + 1) * sizeof(*keys));
	uint32_t n_keys = 0, next;
	bool fine = true;

	for (uint32_t i = 0; i < n && fine; i = next) {
		struct val key = *val_at(paths[i], start);
		for (next = i; next < n && val_equal(key, *val_at(paths[next], start)) == 1;)
			next++;
		/* NaN is not even equal to itself. */
		next = max(next, i + 1);
		if (val_length(paths[i]) == start + 1) {
			keys[n_keys++] = key;
			continue;
		}
		struct val part = index_borrowed(m, t, &key);
		if (part.kind == VAL_NULL)
			continue;
		fine = part.kind && delete_sorted(m, &part, paths + i, next - i, start + 1);
		if (fine) {
			struct setting s = {.change = {apply_setting}, .v = part};
			fine = change_at(m, t, &key, 1, &s.change) != FAILED;
		}
		val_free(part);
	}
	fine = fine && remove_keys(m, t, keys, n_keys);
	free(keys);
	return fine;
}

/* In their order, as jq does: which of several is named is part of the message. */
static bool check_sorted(struct run *m, const struct val *paths, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct val path = paths[i];
		if (path.kind == VAL_ARRAY && val_length(path) <= LONGEST_PATH)
			continue;
		fail(m, path.kind == VAL_ARRAY ? val_text("Path too deep")
					       : val_message("Path must be specified as array, not %s",
							     val_kind_name(path.kind)));
		return false;
	}
	return true;
}

struct val delete_paths(struct run *m, struct val root, struct val paths)
{
	bool fine = false;

	if (paths.kind != VAL_ARRAY) {
		fail(m, val_text("Paths must be specified as an array"));
	} else {
		uint32_t n = val_length(paths);
		uint32_t *order = val_alloc((n + 1) * sizeof(*order));
		struct val *sorted = val_alloc((n + 1) * sizeof(*sorted));

		val_sort_order(paths, order);
		for (uint32_t i = 0; i < n; i++)
			sorted[i] = *val_at(paths, order[i]);
		fine = check_sorted(m, sorted, n);
		if (fine && n > 0 && val_length(sorted[0]) == 0)
			val_put(&root, VAL(VAL_NULL));
		else if (fine && n > 0)
			fine = delete_sorted(m, &root, sorted, n, 0);
		free(order);
		free(sorted);
	}
	if (fine)
		return root;
	val_free(root);
	return VAL(VAL_NONE);
}
