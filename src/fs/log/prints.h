/* The ids of a run, by their hashes: who has brought each. Two ids with one hash are one here: no harm comes
 * of it, since it only makes the second wait for the first. */
#pragma once

#include "base/defs.h"

struct print_owner {
	uint32_t item, unit; /* item 0: one that is not decided about */
};

struct print {
	uint64_t print;
	struct print_owner owner;
	bool used;
};

struct prints {
	struct print *slots;
	size_t n, cap; /* cap: a power of two, or 0 */
};

void prints_deinit(struct prints *p);
/* Empty again; the memory of many is let go of. */
void prints_clear(struct prints *p);
/* One that is not there yet, or it stays its first owner's. -ENOMEM. */
int must_check prints_add(struct prints *p, uint64_t print, struct print_owner owner);
bool prints_find(const struct prints *p, uint64_t print, struct print_owner *ret);
