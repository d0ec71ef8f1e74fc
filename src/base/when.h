/* A time as a person writes it:
 *
 *     2026-11-26  2026-11-26T10:00  2026-11-26T10:00:30      in the process's zone
 *     2026-11-26T10:00Z  2026-11-26T10:00:30+01:00
 *     -90s  -15m  -1h  -7d                                   before now
 *     now
 *
 * Any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The first second since 1970 that lies after it, so 0 for a time before 1970. False: it is none. What a
 * zone's clock skips is near where it is skipped; of an hour that it shows twice, it is either. */
bool when_parse(const char *text, uint64_t now, uint64_t *ret_after);

/* How it is written, for those who are told that it is none. */
#define WHEN_FORMS "2026-11-26, 2026-11-26T10:00, …T10:00:00Z, …+01:00, -90s, -15m, -1h, -7d or now"
