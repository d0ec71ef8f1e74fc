#include "model/host/jq/value.h"

#include <sys/random.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static _Thread_local jmp_buf *rescue;

void val_rescue(jmp_buf *place)
{
	rescue = place;
}

void val_no_memory(void)
{
	if (rescue)
		longjmp(*rescue, 1);
	abort();
}

void *val_alloc(size_t size)
{
	void *p = malloc(size);

	if (unlikely(!p))
		val_no_memory();
	return p;
}

void *val_realloc(void *p, size_t size)
{
	void *q = realloc(p, size);

	if (unlikely(!q))
		val_no_memory();
	return q;
}

const char *val_kind_name(enum val_kind kind)
{
	static const char *const names[] = {
	    [VAL_NONE] = "nothing", [VAL_NULL] = "null",     [VAL_FALSE] = "boolean",
	    [VAL_TRUE] = "boolean", [VAL_NUMBER] = "number", [VAL_STRING] = "string",
	    [VAL_ARRAY] = "array",  [VAL_OBJECT] = "object",
	};

	return names[kind];
}

/* Freeing. However deep a value is nested, the stack does not grow: containers whose turn it is not yet are
 * put aside in lists through themselves. */
struct dead {
	struct val_array *arrays;
	struct val_object *objects;
};

static inline void let_go(struct dead *dead, struct val v)
{
	if (!val_counted(v) || --*val_refs(v) > 0)
		return;
	if (v.kind == VAL_ARRAY) {
		v.u.array->next = dead->arrays;
		dead->arrays = v.u.array;
	} else if (v.kind == VAL_OBJECT) {
		v.u.object->next = dead->objects;
		dead->objects = v.u.object;
	} else {
		free(v.u.string);
	}
}

static void free_array(struct dead *dead)
{
	struct val_array *a = dead->arrays;

	dead->arrays = a->next;
	for (uint32_t i = 0; i < a->len; i++)
		let_go(dead, a->items[a->first + i]);
	free(a);
}

static void free_object(struct dead *dead)
{
	struct val_object *o = dead->objects;
	uint32_t i = 0;

	dead->objects = o->next;
	for (struct val_member *m; (m = val_next(o, &i));) {
		val_member_drop_key(m);
		let_go(dead, m->value);
	}
	free(o->table);
	free(o);
}

void val_free_heap(struct val v)
{
	struct dead dead = {0};

	*val_refs(v) = 1;
	let_go(&dead, v);
	while (dead.arrays || dead.objects) {
		while (dead.arrays)
			free_array(&dead);
		if (dead.objects)
			free_object(&dead);
	}
}

/* Strings. */

struct val_string *val_string_sized(const char *data, size_t len, size_t cap)
{
	struct val_string *s = val_alloc(sizeof(*s) + cap + 1);

	s->refs = 1;
	s->hash = 0;
	s->len = (uint32_t)len;
	s->cap = (uint32_t)cap;
	memcpy(s->data, data, len);
	s->data[len] = 0;
	return s;
}

/* Where keys come from strangers their places in a table must not be foreseen. */
static uint64_t hash_seed(void)
{
	static uint64_t seed;

	while (unlikely(seed == 0))
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
			seed = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
	return seed;
}

uint32_t val_hash_text(const char *text, size_t len)
{
	uint32_t hash = (uint32_t)XXH3_64bits_withSeed(text, len, hash_seed());

	return hash ? hash : 1;
}

struct val val_append(struct val string, const char *data, size_t len)
{
	struct val_string *s = string.u.string;
	size_t whole = s->len + len;

	if (s->refs == 1) {
		if (whole > s->cap) {
			size_t cap = whole * 2;
			s = val_realloc(s, sizeof(*s) + cap + 1);
			s->cap = (uint32_t)cap;
		}
		memcpy(s->data + s->len, data, len);
		s->len = (uint32_t)whole;
		s->data[whole] = 0;
		s->hash = 0;
		string.u.string = s;
		return string;
	}
	struct val_string *more = val_string_sized(s->data, s->len, whole * 2);
	memcpy(more->data + s->len, data, len);
	more->data[whole] = 0;
	more->len = (uint32_t)whole;
	val_free(string);
	return (struct val){.kind = VAL_STRING, .u.string = more};
}

uint32_t val_codepoints(struct val string)
{
	const struct val_string *s = string.u.string;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->len; i++)
		n += ((unsigned char)s->data[i] & 0xc0) != 0x80;
	return n;
}

/* Arrays. */

struct val val_array(uint32_t cap)
{
	struct val_array *a = val_alloc(sizeof(*a) + cap * sizeof(struct val));

	a->refs = 1;
	a->first = a->len = 0;
	a->cap = cap;
	return (struct val){.kind = VAL_ARRAY, .u.array = a};
}

static struct val copy_array(struct val array, uint32_t from, uint32_t to, uint32_t cap)
{
	struct val copy = val_array(cap);

	for (uint32_t i = from; i < to; i++)
		copy.u.array->items[i - from] = val_copy(*val_at(array, i));
	copy.u.array->len = to - from;
	val_free(array);
	return copy;
}

/* Room for one of `cap` elements, in an array that is the caller's alone. */
static void array_room(struct val *array, uint32_t cap)
{
	struct val_array *a = array->u.array;

	if (a->first + cap <= a->cap)
		return;
	/* What was cut off in front makes room before there is more. */
	if (a->first > 0) {
		memmove(a->items, a->items + a->first, a->len * sizeof(struct val));
		uint32_t shifted = a->first;
		a->first = 0;
		if (cap <= a->cap && shifted >= a->cap / 4)
			return;
	}
	cap += cap / 2 + 4;
	a = val_realloc(a, sizeof(*a) + cap * sizeof(struct val));
	a->cap = cap;
	array->u.array = a;
}

struct val val_push(struct val array, struct val v)
{
	*val_array_place(&array, val_length(array)) = v;
	return array;
}

struct val *val_array_place(struct val *array, uint32_t i)
{
	uint32_t len = val_length(*array);

	if (!val_alone(*array))
		*array = copy_array(*array, 0, len, max(len, i + 1) + len / 2);
	if (i >= len) {
		array_room(array, i + 1);
		struct val_array *a = array->u.array;
		for (uint32_t j = len; j <= i; j++)
			a->items[a->first + j] = VAL(VAL_NULL);
		a->len = i + 1;
	}
	return val_at(*array, i);
}

struct val val_array_part(struct val array, uint32_t from, uint32_t to)
{
	struct val_array *a = array.u.array;

	if (from == 0 && to == a->len)
		return array;
	if (!val_alone(array))
		return copy_array(array, from, to, to - from);
	for (uint32_t i = 0; i < from; i++)
		val_free(*val_at(array, i));
	for (uint32_t i = to; i < a->len; i++)
		val_free(*val_at(array, i));
	a->first += from;
	a->len = to - from;
	return array;
}

struct val val_array_remove(struct val array, uint32_t from, uint32_t to)
{
	if (from >= to)
		return array;
	array = val_own(array);
	struct val_array *a = array.u.array;
	for (uint32_t i = from; i < to; i++)
		val_free(*val_at(array, i));
	if (from == 0)
		a->first += to;
	else
		memmove(val_at(array, from), val_at(array, to), (a->len - to) * sizeof(struct val));
	a->len -= to - from;
	return array;
}

struct val val_own(struct val v)
{
	if (v.kind == VAL_OBJECT)
		val_object_own(&v);
	else if (!val_alone(v))
		v = copy_array(v, 0, val_length(v), val_length(v) + val_length(v) / 4);
	return v;
}
