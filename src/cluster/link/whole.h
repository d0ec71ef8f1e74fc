/* Whole numbers in JSON. Pure. */
#pragma once

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define WHOLE_MAX 9007199254740992.0 /* a double has all whole numbers below */

/* False: it is none, or one that need not be exact; NULL is none. */
static inline bool whole_read(const cJSON *item, uint64_t *ret)
{
	double value = cJSON_IsNumber(item) ? item->valuedouble : -1;

	if (!(value >= 0 && value < WHOLE_MAX) || value != floor(value))
		return false;
	*ret = (uint64_t)value;
	return true;
}
