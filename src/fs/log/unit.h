/* What enters the log whole or not at all: a line, or a group of lines. */
#pragma once

#include <stddef.h>

struct unit {
	size_t stored, given; /* where it ends: in the stored lines, and in the data as it was given */
	size_t lines;         /* as stored; more than one: a group */
	size_t odd_ts;        /* how many of these have a time beyond LIMIT_TS */
};

/* How many times beyond LIMIT_TS there are in the units that end within `stored` bytes. */
static inline size_t units_odd_ts(const struct unit *units, size_t n, size_t stored)
{
	size_t sum = 0;

	for (size_t i = 0; i < n && units[i].stored <= stored; i++)
		sum += units[i].odd_ts;
	return sum;
}

/* Where the unit `i` begins in the stored lines. */
static inline size_t unit_begin(const struct unit *units, size_t i)
{
	return i > 0 ? units[i - 1].stored : 0;
}
