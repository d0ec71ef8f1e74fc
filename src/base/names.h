/* Finding a name in a table that is sorted by name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The name of the i-th in the table. */
typedef const char *names_at(const void *table, size_t i);

/* Where the name is, or would be. */
static inline size_t names_find(const void *table, size_t n, names_at *at, const char *name, bool *ret_found)
{
	size_t low = 0, high = n;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(at(table, middle), name);
		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
