/* The values of the compiled jq: JSON's, counted by their holders.
 *
 * A value that is passed to a function is consumed by it, unless the parameter is a pointer or the comment
 * says "borrowed"; what a function returns is the caller's. A container with one holder is changed in place,
 * one with several is copied first. VAL_NONE is no value: the absence of one. Objects keep their members in
 * the order in which they came.
 *
 * One thread. Where there is no memory, control goes to the place that val_rescue() was told, and the values
 * that were being made are lost. */
#pragma once

#include <setjmp.h>
#include <stdbool.h>

#include "base/defs.h"
#include "base/slice.h"

/* In jq's order of values. */
enum val_kind { VAL_NONE, VAL_NULL, VAL_FALSE, VAL_TRUE, VAL_NUMBER, VAL_STRING, VAL_ARRAY, VAL_OBJECT };

struct val_string {
	uint32_t refs;
	uint32_t hash; /* 0: not made yet */
	uint32_t len;
	uint32_t cap;
	char data[]; /* UTF-8, and a zero behind */
};

struct val {
	enum val_kind kind;
	union {
		double number;
		struct val_string *string;
		struct val_array *array;
		struct val_object *object;
		void *heap;
	} u;
};

struct val_array {
	uint32_t refs;
	uint32_t first, len, cap; /* the elements are items[first] to items[first + len - 1] */
	struct val_array *next;   /* while it is being freed */
	struct val items[];
};

struct val_member {
	struct val value;
	struct val_string *key; /* NULL: deleted. object.c alone knows what else it may be */
};

struct val_object {
	uint32_t refs;
	uint32_t used, live, cap; /* so many places for members are used, `live` of which are there */
	struct val_object *next;  /* while it is being freed */
	uint32_t *table; /* of a larger one: the hash's bits beyond the mask, and place + 1; 0 is free */
	uint32_t mask;
	uint16_t head, stride; /* in bytes: the members begin at `head`, one after the other */
};

/* Where to go without memory; NULL again when that place is left. */
void val_rescue(jmp_buf *place);
_Noreturn void val_no_memory(void);
void *val_alloc(size_t size);
void *val_realloc(void *p, size_t size);

void val_free_heap(struct val v);
struct val_string *val_string_sized(const char *data, size_t len, size_t cap);
uint32_t val_hash_text(const char *text, size_t len); /* never 0 */

#define VAL(k) ((struct val){.kind = (k)})

static inline struct val val_number(double number)
{
	return (struct val){.kind = VAL_NUMBER, .u.number = number};
}

static inline struct val val_bool(bool b)
{
	return VAL(b ? VAL_TRUE : VAL_FALSE);
}

/* Valid UTF-8. */
static inline struct val val_string(const char *data, size_t len)
{
	return (struct val){.kind = VAL_STRING, .u.string = val_string_sized(data, len, len)};
}

static inline struct val val_text(const char *text)
{
	return val_string(text, strlen(text));
}

static inline bool val_counted(struct val v)
{
	return v.kind >= VAL_STRING;
}

static inline uint32_t *val_refs(struct val v)
{
	return v.u.heap;
}

static inline struct val val_copy(struct val v)
{
	if (val_counted(v))
		++*val_refs(v);
	return v;
}

static inline void val_free(struct val v)
{
	if (val_counted(v) && --*val_refs(v) == 0)
		val_free_heap(v);
}

/* Its only holder is the caller. */
static inline bool val_alone(struct val v)
{
	return *val_refs(v) == 1;
}

static inline bool val_true(struct val v)
{
	return v.kind > VAL_FALSE;
}

/* One and the same, not only equal. */
static inline bool val_identical(struct val a, struct val b)
{
	if (a.kind != b.kind)
		return false;
	if (val_counted(a))
		return a.u.heap == b.u.heap;
	return a.kind != VAL_NUMBER || memcmp(&a.u.number, &b.u.number, sizeof(double)) == 0;
}

static inline struct val val_take(struct val *place)
{
	struct val v = *place;

	place->kind = VAL_NONE;
	return v;
}

static inline void val_put(struct val *place, struct val v)
{
	struct val old = *place;

	*place = v;
	val_free(old);
}

static inline uint32_t val_hash(struct val_string *s)
{
	if (s->hash == 0)
		s->hash = val_hash_text(s->data, s->len);
	return s->hash;
}

static inline struct slice val_slice(struct val string)
{
	return (struct slice){string.u.string->data, string.u.string->len};
}

static inline bool val_is(struct val v, const char *text)
{
	return v.kind == VAL_STRING && slice_eq(val_slice(v), slice_of(text));
}

/* "null", "boolean", "number" … */
const char *val_kind_name(enum val_kind kind);

/* Strings. */
struct val val_append(struct val string, const char *data, size_t len);
uint32_t val_codepoints(struct val string); /* borrowed */

/* Arrays. */
struct val val_array(uint32_t cap);

static inline uint32_t val_length(struct val array)
{
	return array.u.array->len;
}

static inline struct val *val_at(struct val array, uint32_t i)
{
	return &array.u.array->items[array.u.array->first + i];
}

struct val val_push(struct val array, struct val v);
/* The place of an element in an array that the caller alone holds from now on; it grows with nulls. */
struct val *val_array_place(struct val *array, uint32_t i);
/* From `from` to before `to`, which lie in it. */
struct val val_array_part(struct val array, uint32_t from, uint32_t to);
struct val val_array_remove(struct val array, uint32_t from, uint32_t to);

/* Objects. */
struct val val_object(uint32_t cap);

static inline uint32_t val_members(struct val object)
{
	return object.u.object->live;
}

/* The value of a member, or NULL. */
struct val *val_find(const struct val_object *o, struct val_string *key);
/* The place of a member's value in an object that the caller alone holds from now on: VAL_NONE where it is
 * new. The key is borrowed. */
struct val *val_object_place(struct val *object, struct val_string *key);
struct val val_set(struct val object, struct val key, struct val v);
struct val val_remove(struct val object, struct val_string *key);

/* The next member at or behind *i, or NULL at the end; *i is then behind it. */
static inline struct val_member *val_next(const struct val_object *o, uint32_t *i)
{
	while (*i < o->used) {
		char *at = (char *)o + o->head + (size_t)(*i)++ * o->stride;
		if (((struct val_member *)at)->key)
			return (struct val_member *)at;
	}
	return NULL;
}

/* A member's key, to look at until the object is changed, and as a string. */
struct slice val_member_name(const struct val_member *m);
struct val val_key(const struct val_member *m);
/* Of a member that is being freed. */
void val_member_drop_key(const struct val_member *m);

void val_object_own(struct val *object);
/* Makes the caller the only holder of an array or object. */
struct val val_own(struct val v);
