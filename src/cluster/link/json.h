/* What is read of JSON texts. NULL, in place of an object or a text, is none. Pure. */
#pragma once

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

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

/* The same of a member. */
static inline bool json_number(const cJSON *object, const char *key, uint64_t *ret)
{
	return whole_read(cJSON_GetObjectItemCaseSensitive(object, key), ret);
}

/* NULL: it is none. */
static inline const char *json_text(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* Is it so many digits of a hash or an id? */
static inline bool is_digits(const char *text, size_t n)
{
	return text && strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}
