#include "model/reducer_jq_edit.h"

#include <stdbool.h>

static int length(jv array)
{
	return jv_array_length(jv_copy(array));
}

static bool is_container(jv v)
{
	return jv_get_kind(v) == JV_KIND_OBJECT || jv_get_kind(v) == JV_KIND_ARRAY;
}

/* The member of `value` called `key`, where that is an existing one and a plain step; else an invalid one. */
static jv child_of(jv value, jv key)
{
	if (jv_get_kind(value) == JV_KIND_OBJECT && jv_get_kind(key) == JV_KIND_STRING)
		return jv_object_get(jv_copy(value), jv_copy(key));
	if (jv_get_kind(value) == JV_KIND_ARRAY && jv_get_kind(key) == JV_KIND_NUMBER) {
		double index = jv_number_value(key);

		if (index >= 0 && index < length(value) && index == (int)index)
			return jv_array_get(jv_copy(value), (int)index);
	}
	return jv_invalid();
}

static jv rest_of(jv path, int from)
{
	return jv_array_slice(jv_copy(path), from, length(path));
}

/* libjq never uses a deleted member's slot again and doubles the table when the slots have run out, so a map that
 * members come to and go from would grow for ever. When it has just doubled, make it as small as what lives in it. */
static jv fit_object(jv object)
{
	jv fitting;

	if (jv_object_length(jv_copy(object)) >= object.size / 4)
		return object;
	fitting = jv_object();
	jv_object_foreach(object, key, value)
	{
		fitting = jv_object_set(fitting, key, value);
	}
	jv_free(object);
	return fitting;
}

static jv set_child(jv value, jv key, jv part)
{
	bool object = jv_get_kind(value) == JV_KIND_OBJECT;
	int size = value.size;

	value = jv_set(value, key, part);
	return object && jv_get_kind(value) == JV_KIND_OBJECT && value.size > size ? fit_object(value)
										   : value;
}

static jv take_at(jv *value, jv path, int i, int n)
{
	jv key, child, part;

	if (i == n) {
		part = *value;
		*value = jv_null();
		return part;
	}
	key = jv_array_get(jv_copy(path), i);
	child = child_of(*value, key);
	if (is_container(child)) {
		*value = jv_set(*value, jv_copy(key), jv_null());
		part = take_at(&child, path, i + 1, n);
		*value = jv_set(*value, key, child);
		return part;
	}
	jv_free(key);
	if (i + 1 == n && jv_is_valid(child))
		return child;
	jv_free(child);
	return jv_getpath(jv_copy(*value), rest_of(path, i));
}

jv reducer_jq_take(jv *value, jv path)
{
	return take_at(value, path, 0, length(path));
}

/* Can jv_set() do it, without the look that setpath takes first to tell what is wrong? */
static bool settable(jv value, jv key)
{
	return (jv_get_kind(value) == JV_KIND_OBJECT && jv_get_kind(key) == JV_KIND_STRING) ||
	       (jv_get_kind(value) == JV_KIND_ARRAY && jv_get_kind(key) == JV_KIND_NUMBER &&
		jv_number_value(key) >= 0);
}

static jv put_at(jv value, jv path, int i, int n, jv part)
{
	jv key, child;

	if (i == n) {
		jv_free(value);
		return part;
	}
	key = jv_array_get(jv_copy(path), i);
	if (!settable(value, key)) {
		jv_free(key);
		return jv_setpath(value, rest_of(path, i), part);
	}
	if (i + 1 == n)
		return set_child(value, key, part);
	child = child_of(value, key);
	if (is_container(child)) {
		value = jv_set(value, jv_copy(key), jv_null());
		child = put_at(child, path, i + 1, n, part);
	} else {
		child = jv_setpath(jv_is_valid(child) ? child : jv_null(), rest_of(path, i + 1), part);
	}
	if (!jv_is_valid(child)) {
		jv_free(value);
		jv_free(key);
		return child;
	}
	return set_child(value, key, child);
}

jv reducer_jq_put(jv value, jv path, jv part)
{
	return put_at(value, path, 0, length(path), part);
}

static jv delete_at(jv value, jv path, int i)
{
	jv key = jv_array_get(jv_copy(path), i), child = jv_invalid();

	if (jv_is_valid(key))
		child = child_of(value, key);
	if (i + 1 == length(path) && jv_is_valid(child) && jv_get_kind(value) == JV_KIND_OBJECT) {
		jv_free(child);
		return jv_object_delete(value, key);
	}
	if (i + 1 >= length(path) || !is_container(child)) {
		jv_free(child);
		jv_free(key);
		return jv_delpaths(value, jv_array_append(jv_array(), rest_of(path, i)));
	}
	value = jv_set(value, jv_copy(key), jv_null());
	child = delete_at(child, path, i + 1);
	if (!jv_is_valid(child)) {
		jv_free(value);
		jv_free(key);
		return child;
	}
	return jv_set(value, key, child);
}

jv reducer_jq_delete(jv value, jv path)
{
	return delete_at(value, path, 0);
}
