/* Tables of a fixed size, of what was noted last. A key may be in any place of its set; a new one takes the
 * place of the one there that was noted longest ago. So keys push each other out where there are very many
 * at a time, and not where two of them happen to meet.
 *
 * An element begins with a struct way. An owner's lock is its own matter. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WAYS 8

struct way {
	uint64_t key;  /* 0: nobody's */
	uint64_t when; /* it was noted, in whatever the owner counts */
};

static inline struct way *way_at(const void *table, size_t size, size_t at)
{
	return (struct way *)((uintptr_t)table + at * size);
}

/* The first place of a key's set in a table of `n` elements, a multiple of WAYS. The upper bits of the
 * product depend on all of the key's. */
static inline size_t way_set(size_t n, uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15) >> 32) * (n / WAYS) >> 32) * WAYS;
}

/* The key's place in a table of `n` elements of `size` bytes; NULL: it has none. */
static inline void *ways_find(const void *table, size_t n, size_t size, uint64_t key)
{
	size_t set = way_set(n, key);

	for (size_t i = set; i < set + WAYS; i++)
		if (way_at(table, size, i)->key == key)
			return way_at(table, size, i);
	return NULL;
}

/* The same, and where it has none the one that it is to take: nobody's, or else another's. */
static inline void *ways_place(void *table, size_t n, size_t size, uint64_t key)
{
	size_t set = way_set(n, key);
	struct way *found = ways_find(table, n, size, key), *oldest = way_at(table, size, set);

	for (size_t i = set; i < set + WAYS; i++) {
		struct way *way = way_at(table, size, i);
		if (!way->key || (oldest->key && way->when < oldest->when))
			oldest = way;
	}
	return found ? found : oldest;
}

#define WAYS_FIND(table, key) ways_find(table, sizeof(table) / sizeof((table)[0]), sizeof((table)[0]), key)
#define WAYS_PLACE(table, key) ways_place(table, sizeof(table) / sizeof((table)[0]), sizeof((table)[0]), key)
