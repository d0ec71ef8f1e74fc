/* A hash table from byte strings to what a reducer keeps for each, which remembers the order in
 * which the keys came. Copy it into a reducer of your own if it is of use there.
 *
 * Zero is an empty table: `struct table t = {0}`. Finding, adding and removing cost the same however
 * large it is (growing is spread over the additions). An entry stays where it is until it is removed.
 * Keys are any bytes, zeros included. Where there is no memory, a function says so and the table
 * stays as it was. */
#ifndef TABLE_H
#define TABLE_H

#include <eventfold/reducer.h>
#include <stdlib.h>
#include <string.h>

struct table_entry {
	uint64_t number; /* the user's; 0 in a new entry */
	char *text;      /* the user's: NULL in a new entry, freed with it */
	size_t at;       /* its place in table.order */
	size_t len;
	char key[]; /* len bytes, no zero behind them */
};

struct table_slot {
	uint64_t hash;
	struct table_entry *entry; /* NULL: free */
};

struct table {
	size_t n;                   /* entries */
	struct table_slot *slots;   /* open addressing: an entry is in the first free slot from its hash on */
	size_t n_slots;             /* a power of two, more than n */
	struct table_entry **order; /* in the order of their coming; NULL where one was removed */
	size_t n_order;             /* at most half of them are NULL, and the last never is */
	size_t room;                /* allocated in order */
};

static inline struct eventfold_slice table_key(const struct table_entry *e)
{
	return (struct eventfold_slice){e->key, e->len};
}

static inline uint64_t table_hash(struct eventfold_slice key)
{
	uint64_t h = key.len, word;
	size_t i = 0;

	for (; i + 8 <= key.len; i += 8) {
		memcpy(&word, key.data + i, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	for (word = 0; i < key.len; i++)
		word = word << 8 | (unsigned char)key.data[i];
	h = (h ^ word) * 0x9e3779b97f4a7c15;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93;
	return h ^ h >> 32;
}

/* The slot that holds the key, or the free one where it belongs. There must be slots. */
static inline struct table_slot *table_slot(const struct table *t, struct eventfold_slice key, uint64_t hash)
{
	for (size_t i = hash;; i++) {
		struct table_slot *slot = &t->slots[i & (t->n_slots - 1)];

		if (!slot->entry)
			return slot;
		if (slot->hash == hash && slot->entry->len == key.len &&
		    (!key.len || !memcmp(slot->entry->key, key.data, key.len)))
			return slot;
	}
}

/* Room for one more entry; false: no memory. */
static inline bool table_grow(struct table *t)
{
	if (t->n_order == t->room) {
		size_t room = t->room ? t->room * 2 : 16;
		struct table_entry **order = realloc(t->order, room * sizeof(*order));

		if (!order)
			return false;
		t->order = order;
		t->room = room;
	}
	if (t->n + 1 > t->n_slots / 4 * 3) {
		struct table old = *t;

		t->n_slots = old.n_slots ? old.n_slots * 2 : 32;
		t->slots = calloc(t->n_slots, sizeof(*t->slots));
		if (!t->slots) {
			t->slots = old.slots;
			t->n_slots = old.n_slots;
			return false;
		}
		for (size_t i = 0; i < old.n_slots; i++) {
			size_t to = old.slots[i].hash;

			if (!old.slots[i].entry)
				continue;
			while (t->slots[to & (t->n_slots - 1)].entry)
				to++;
			t->slots[to & (t->n_slots - 1)] = old.slots[i];
		}
		free(old.slots);
	}
	return true;
}

/* The key's entry, or NULL where there is none. */
static inline struct table_entry *table_find(const struct table *t, struct eventfold_slice key)
{
	return t->n ? table_slot(t, key, table_hash(key))->entry : NULL;
}

/* The key's entry, a new one where there was none (then t->n has grown); NULL: no memory. */
static inline struct table_entry *table_add(struct table *t, struct eventfold_slice key)
{
	uint64_t hash = table_hash(key);
	struct table_slot *slot = t->n ? table_slot(t, key, hash) : NULL;
	struct table_entry *e;

	if (slot && slot->entry)
		return slot->entry;
	e = malloc(sizeof(*e) + key.len);
	if (!e || !table_grow(t)) {
		free(e);
		return NULL;
	}
	*e = (struct table_entry){.at = t->n_order, .len = key.len};
	if (key.len)
		memcpy(e->key, key.data, key.len);
	*table_slot(t, key, hash) = (struct table_slot){hash, e};
	t->order[t->n_order++] = e;
	t->n++;
	return e;
}

/* The same for a key that is a raw JSON string, with its quotes. */
static inline struct table_entry *table_add_json(struct table *t, struct eventfold_slice raw)
{
	struct table_entry *e = NULL;
	char *key;

	if (!memchr(raw.data, '\\', raw.len))
		return table_add(t, (struct eventfold_slice){raw.data + 1, raw.len - 2});
	key = malloc(raw.len);
	if (key)
		e = table_add(t, (struct eventfold_slice){key, (size_t)eventfold_decode(raw, key)});
	free(key);
	return e;
}

/* Closes the gaps in t->order. */
static inline void table_compact(struct table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_order; i++) {
		if (!t->order[i])
			continue;
		t->order[i]->at = n;
		t->order[n++] = t->order[i];
	}
	t->n_order = n;
}

/* Removes the key's entry; false where there is none. */
static inline bool table_remove(struct table *t, struct eventfold_slice key)
{
	struct table_slot *slot = t->n ? table_slot(t, key, table_hash(key)) : NULL;
	size_t mask = t->n_slots - 1, hole;

	if (!slot || !slot->entry)
		return false;
	t->order[slot->entry->at] = NULL;
	free(slot->entry->text);
	free(slot->entry);
	slot->entry = NULL;
	t->n--;

	/* Those behind it that may not be found across the hole move into it. */
	hole = (size_t)(slot - t->slots);
	for (size_t i = (hole + 1) & mask; t->slots[i].entry; i = (i + 1) & mask) {
		if (((i - t->slots[i].hash) & mask) < ((i - hole) & mask))
			continue;
		t->slots[hole] = t->slots[i];
		t->slots[i].entry = NULL;
		hole = i;
	}

	while (t->n_order && !t->order[t->n_order - 1])
		t->n_order--;
	if (t->n < t->n_order / 2)
		table_compact(t);
	return true;
}

/* Walks the entries in order: start with *at = 0; NULL at the end. */
static inline struct table_entry *table_next(const struct table *t, size_t *at)
{
	while (*at < t->n_order) {
		struct table_entry *e = t->order[(*at)++];

		if (e)
			return e;
	}
	return NULL;
}

static inline void table_deinit(struct table *t)
{
	struct table_entry *e;

	for (size_t at = 0; (e = table_next(t, &at));) {
		free(e->text);
		free(e);
	}
	free(t->order);
	free(t->slots);
	*t = (struct table){0};
}

/* The raw JSON string of which eventfold_next() gave the inside as a key. */
static inline struct eventfold_slice table_quoted(struct eventfold_slice key)
{
	return (struct eventfold_slice){key.data - 1, key.len + 2};
}

/* Writes the numbers as an object: {"<key>":N,…}. */
static inline void table_write_numbers(const struct table *t, struct eventfold_writer *out)
{
	const struct table_entry *e;
	const char *between = "{";

	for (size_t at = 0; (e = table_next(t, &at)); between = ",") {
		eventfold_write_text(out, between);
		eventfold_write_string(out, table_key(e));
		eventfold_write_text(out, ":");
		eventfold_write_uint64(out, e->number);
	}
	eventfold_write_text(out, t->n ? "}" : "{}");
}

/* Adds what table_write_numbers() wrote; false: it is something else, or there is no memory. */
static inline bool table_read_numbers(struct table *t, struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, value;

	if (!json.len || json.data[0] != '{')
		return false;
	while (eventfold_next(&it, &key, &value)) {
		struct table_entry *e = table_add_json(t, table_quoted(key));
		int64_t number;

		if (!e || !eventfold_to_int64(value, &number) || number < 0)
			return false;
		e->number = (uint64_t)number;
	}
	return true;
}

#endif
