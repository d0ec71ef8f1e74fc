/* Tables of what was noted last. */
#include "base/ways.h"

#include <stdbool.h>

#include "check.h"

#define N (4 * WAYS)

static struct element {
	struct way way;
	int value;
} table[N];

static void note(uint64_t key, uint64_t when, int value)
{
	*(struct element *)WAYS_PLACE(table, key) = (struct element){{key, when}, value};
}

static int value_of(uint64_t key)
{
	const struct element *e = WAYS_FIND(table, key);

	return e ? e->value : -1;
}

int main(void)
{
	uint64_t keys[WAYS + 2];
	size_t n = 0;

	/* Such that they all meet. */
	for (uint64_t key = 1; n < WAYS + 2; key++)
		if (way_set(N, key) == way_set(N, 1))
			keys[n++] = key;
	for (int i = 0; i < WAYS; i++) {
		CHECK_INT(value_of(keys[i]), -1);
		note(keys[i], (uint64_t)i, i);
	}
	note(keys[0], WAYS, 100);
	CHECK_INT(value_of(keys[0]), 100);
	for (int i = 1; i < WAYS; i++)
		CHECK_INT(value_of(keys[i]), i);
	/* The one that was noted longest ago goes, and before any of them one that is nobody's. */
	note(keys[WAYS], WAYS + 1, WAYS);
	CHECK_INT(value_of(keys[1]), -1);
	struct element *e = WAYS_FIND(table, keys[3]);
	e->way.key = 0;
	note(keys[WAYS + 1], WAYS + 2, WAYS + 1);
	CHECK_INT(value_of(keys[3]), -1);
	for (int i = 2; i < WAYS + 2; i++)
		CHECK_INT(value_of(keys[i]), i == 3 ? -1 : i);
	CHECK_INT(value_of(keys[0]), 100);
	/* Every set is within the table. */
	for (uint64_t key = 1; key < 100000; key++)
		CHECK(way_set(N, key) + WAYS <= N && way_set(N, key) % WAYS == 0);
	return 0;
}
