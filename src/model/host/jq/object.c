/* Objects, in three sizes. Few members are looked through; more have a table of hashes beside them; and where
 * there are many, so that none of this is in the processor's caches, a member is a cache line of its own with
 * its key in it: a look-up is then two misses, one for the table and one for the member, whatever it is
 * followed by. */
#include <sys/mman.h>

#include "model/host/jq/value.h"

#define LOOKED_THROUGH 8
#define NARROW 32 /* of so many members the keys are strings of their own, that objects of a kind share */
#define LINE 64
#define HUGE_PAGE (2u << 20)

/* A member of a large object. */
struct wide {
	struct val_member member;
	uint8_t len;
	char text[LINE - sizeof(struct val_member) - 1]; /* of a key that is in_line */
};

_Static_assert(sizeof(struct wide) == LINE, "a member is a cache line");

/* Stands for a key that is in the member itself. */
static struct val_string in_line;

static inline struct val_member *member_at(const struct val_object *o, uint32_t i)
{
	return (struct val_member *)((char *)o + o->head + (size_t)i * o->stride);
}

static inline struct wide *wide_of(const struct val_member *m)
{
	return container_of((struct val_member *)m, struct wide, member);
}

struct slice val_member_name(const struct val_member *m)
{
	if (m->key == &in_line)
		return (struct slice){wide_of(m)->text, wide_of(m)->len};
	return (struct slice){m->key->data, m->key->len};
}

struct val val_key(const struct val_member *m)
{
	if (m->key == &in_line)
		return val_string(wide_of(m)->text, wide_of(m)->len);
	m->key->refs++;
	return (struct val){.kind = VAL_STRING, .u.string = m->key};
}

void val_member_drop_key(const struct val_member *m)
{
	if (m->key != &in_line && --m->key->refs == 0)
		free(m->key);
}

/* What is larger than a huge page is best in such: else most look-ups would have to look for the page, too.
 */
static void *alloc_lines(size_t size)
{
	size_t unit = size < HUGE_PAGE ? LINE : HUGE_PAGE, whole = (size + unit - 1) / unit * unit;
	void *p = aligned_alloc(unit, whole);

	if (p && unit == HUGE_PAGE)
		madvise(p, whole, MADV_HUGEPAGE);
	return p;
}

static uint32_t *table_new(uint32_t size)
{
	uint32_t *table;

	if (size < HUGE_PAGE / sizeof(*table))
		return calloc(size, sizeof(*table));
	table = alloc_lines(size * sizeof(*table));
	if (table)
		memset(table, 0, size * sizeof(*table));
	return table;
}

static struct val_object *object_new(uint32_t cap)
{
	struct val_object shape = {
	    .refs = 1, .cap = cap, .head = sizeof(shape), .stride = sizeof(struct val_member)};
	struct val_object *o;
	uint32_t size = 16;

	if (cap > LOOKED_THROUGH) {
		while (size < cap + cap / 2)
			size *= 2;
		shape.mask = size - 1;
		shape.table = table_new(size);
		if (unlikely(!shape.table))
			val_no_memory();
	}
	if (cap > NARROW) {
		shape.head = shape.stride = LINE;
		o = alloc_lines(LINE + (size_t)cap * LINE);
	} else {
		o = malloc(sizeof(*o) + cap * sizeof(struct val_member));
	}
	if (unlikely(!o)) {
		free(shape.table);
		val_no_memory();
	}
	*o = shape;
	return o;
}

struct val val_object(uint32_t cap)
{
	return (struct val){.kind = VAL_OBJECT, .u.object = object_new(cap)};
}

static inline bool same_key(const struct val_string *a, const struct val_string *b)
{
	return a == b || (a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

static inline bool has_key(const struct val_member *m, const struct val_string *key)
{
	if (m->key == &in_line)
		return wide_of(m)->len == key->len && memcmp(wide_of(m)->text, key->data, key->len) == 0;
	return m->key && same_key(m->key, key);
}

static inline struct val_member *look_through(const struct val_object *o, const struct val_string *key)
{
	struct val_member *members = member_at(o, 0);

	for (uint32_t i = 0; i < o->used; i++)
		if (members[i].key && same_key(members[i].key, key))
			return &members[i];
	return NULL;
}

static inline struct val_member *find_member(const struct val_object *o, struct val_string *key)
{
	if (!o->table)
		return look_through(o, key);
	uint32_t hash = val_hash(key);
	for (uint32_t i = hash & o->mask;; i = (i + 1) & o->mask) {
		uint32_t entry = o->table[i];
		if (!entry)
			return NULL;
		if ((entry ^ hash) & ~o->mask)
			continue;
		struct val_member *m = member_at(o, (entry & o->mask) - 1);
		if (has_key(m, key))
			return m;
	}
}

struct val *val_find(const struct val_object *o, struct val_string *key)
{
	struct val_member *m = find_member(o, key);

	return m ? &m->value : NULL;
}

/* A place behind the others; there is room. Its key and value are yet to be filled in. */
static struct val_member *next_place(struct val_object *o, uint32_t hash)
{
	if (o->table) {
		uint32_t i = hash & o->mask;
		while (o->table[i])
			i = (i + 1) & o->mask;
		o->table[i] = (hash & ~o->mask) | (o->used + 1); /* which is less than the table's size */
	}
	o->live++;
	return member_at(o, o->used++);
}

/* The key is borrowed. */
static struct val_member *add_member(struct val_object *o, struct val_string *key)
{
	struct val_member *m = next_place(o, o->table ? val_hash(key) : 0);

	m->value = VAL(VAL_NONE);
	if (o->stride == LINE && key->len <= sizeof(wide_of(m)->text)) {
		m->key = &in_line;
		wide_of(m)->len = (uint8_t)key->len;
		memcpy(wide_of(m)->text, key->data, key->len);
	} else {
		m->key = key;
		key->refs++;
	}
	return m;
}

static uint32_t hash_of(const struct val_member *m)
{
	return m->key == &in_line ? val_hash_text(wide_of(m)->text, wide_of(m)->len) : val_hash(m->key);
}

/* A copy, or the member itself where `move`. */
static void add_from(struct val_object *o, const struct val_object *from, struct val_member *m, bool move)
{
	if (o->stride != from->stride) {
		struct val key = val_key(m);
		add_member(o, key.u.string)->value = move ? m->value : val_copy(m->value);
		val_free(key);
		if (move)
			val_member_drop_key(m);
		return;
	}
	memcpy(next_place(o, o->table ? hash_of(m) : 0), m, o->stride);
	if (!move) {
		val_copy(m->value);
		if (m->key != &in_line)
			m->key->refs++;
	}
}

static struct val_object *copy_object(const struct val_object *from, uint32_t cap)
{
	struct val_object *o = object_new(cap);
	uint32_t i = 0;

	for (struct val_member *m; (m = val_next(from, &i));)
		add_from(o, from, m, false);
	return o;
}

/* Room for a half more, at least one; deleted members make room, too. */
static struct val_object *grow_object(struct val_object *from)
{
	uint32_t cap = 4, i = 0;

	while (cap < from->live + from->live / 2 + 1)
		cap *= 2;
	struct val_object *o = object_new(cap);
	for (struct val_member *m; (m = val_next(from, &i));)
		add_from(o, from, m, true);
	free(from->table);
	free(from);
	return o;
}

void val_object_own(struct val *object)
{
	struct val_object *o = object->u.object;

	if (o->refs == 1)
		return;
	struct val_object *copy = copy_object(o, max(o->live + o->live / 4, 4u));
	o->refs--;
	object->u.object = copy;
}

struct val *val_object_place(struct val *object, struct val_string *key)
{
	val_object_own(object);
	struct val *found = val_find(object->u.object, key);
	if (found)
		return found;
	if (object->u.object->used == object->u.object->cap)
		object->u.object = grow_object(object->u.object);
	return &add_member(object->u.object, key)->value;
}

struct val val_set(struct val object, struct val key, struct val v)
{
	val_put(val_object_place(&object, key.u.string), v);
	val_free(key);
	return object;
}

struct val val_remove(struct val object, struct val_string *key)
{
	struct val_member *m = find_member(object.u.object, key);

	if (!m)
		return object;
	if (!val_alone(object)) {
		val_object_own(&object);
		m = find_member(object.u.object, key);
	}
	struct val_object *o = object.u.object;
	struct val_member old = *m;
	m->key = NULL;
	if (--o->live == 0 && !o->table)
		o->used = 0;
	if (old.key != &in_line)
		val_member_drop_key(&old);
	val_free(old.value);
	return object;
}
