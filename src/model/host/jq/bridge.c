#include "model/host/jq/bridge.h"

#define DEEPEST 10000

static struct val of_object(jv j)
{
	struct val object = val_object((uint32_t)jv_object_length(jv_copy(j)));

	for (int i = jv_object_iter(j); jv_object_iter_valid(j, i); i = jv_object_iter_next(j, i)) {
		struct val key = val_of_jv(jv_object_iter_key(j, i));
		object = val_set(object, key, val_of_jv(jv_object_iter_value(j, i)));
	}
	jv_free(j);
	return object;
}

static struct val of_array(jv j)
{
	int n = jv_array_length(jv_copy(j));
	struct val array = val_array((uint32_t)n);

	for (int i = 0; i < n; i++)
		array = val_push(array, val_of_jv(jv_array_get(jv_copy(j), i)));
	jv_free(j);
	return array;
}

struct val val_of_jv(jv j)
{
	struct val v;

	switch (jv_get_kind(j)) {
	case JV_KIND_NULL:
		return VAL(VAL_NULL);
	case JV_KIND_FALSE:
		return VAL(VAL_FALSE);
	case JV_KIND_TRUE:
		return VAL(VAL_TRUE);
	case JV_KIND_NUMBER:
		return val_number(jv_number_value(j));
	case JV_KIND_STRING:
		v = val_string(jv_string_value(j), (size_t)jv_string_length_bytes(jv_copy(j)));
		jv_free(j);
		return v;
	case JV_KIND_ARRAY:
		return of_array(j);
	case JV_KIND_OBJECT:
		return of_object(j);
	default:
		jv_free(j);
		return VAL(VAL_NONE);
	}
}

static jv to_jv(struct val v, int depth);

static jv to_array(struct val v, int depth)
{
	jv array = jv_array_sized((int)val_length(v) + 1);

	for (uint32_t i = 0; i < val_length(v); i++) {
		jv element = to_jv(*val_at(v, i), depth);
		if (!jv_is_valid(element)) {
			jv_free(array);
			return element;
		}
		array = jv_array_append(array, element);
	}
	return array;
}

static jv to_object(struct val v, int depth)
{
	jv object = jv_object();
	uint32_t i = 0;

	for (struct val_member *m; (m = val_next(v.u.object, &i));) {
		jv value = to_jv(m->value, depth);
		if (!jv_is_valid(value)) {
			jv_free(object);
			return value;
		}
		struct slice name = val_member_name(m);
		object = jv_object_set(object, jv_string_sized(name.data, (int)name.len), value);
	}
	return object;
}

static jv to_jv(struct val v, int depth)
{
	if (depth > DEEPEST)
		return jv_invalid();
	switch (v.kind) {
	case VAL_FALSE:
		return jv_false();
	case VAL_TRUE:
		return jv_true();
	case VAL_NUMBER:
		return jv_number(v.u.number);
	case VAL_STRING:
		return jv_string_sized(v.u.string->data, (int)v.u.string->len);
	case VAL_ARRAY:
		return to_array(v, depth + 1);
	case VAL_OBJECT:
		return to_object(v, depth + 1);
	default:
		return jv_null();
	}
}

jv val_to_jv(struct val v)
{
	return to_jv(v, 0);
}
