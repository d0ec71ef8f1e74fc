/* Sizes and times as options and arguments have them. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* "64M" and the like, in bytes: K, M or G for powers of 1024. False: it is none. */
bool parse_size(const char *text, uint64_t *ret);
/* "1.5", "1s", "500ms": into milliseconds. A day at most. */
bool parse_duration(const char *text, unsigned *ret_ms);
