/* Where in the log, as options have it: a number (of events or bytes, as the option says) or a time
 * (base/when.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct at {
	bool by_time;
	uint64_t n;     /* the number, */
	uint64_t after; /* or: up to the first event whose time is this or more */
};
#define AT_END ((struct at){.n = UINT64_MAX})

/* False: it is neither. */
bool at_parse(const char *text, struct at *ret);
