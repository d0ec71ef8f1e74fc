/* A time zone for reducers: its rules as the system's file has them (zoneinfo, tzfile(5)), read once, so that
 * they stay what they are, however the system is updated meanwhile. What a reducer makes of local time is
 * pure only together with them, so they are a part of its identity (definition.h). NULL stands for UTC.
 *
 * The C library's zone is its process's: zone_use() is for a process that has one. */
#pragma once

#include "base/diag.h"

struct zone {
	int fd;        /* of the rules, a sealed memfd */
	uint64_t hash; /* of the rules; never 0 */
};

/* "Europe/Berlin". -EINVAL where there is none, or another negative errno, with the reason for a person. */
int must_check zone_load(struct zone *ret, const char *name, struct diag *diag);
void zone_deinit(struct zone *z);

static inline uint64_t zone_hash(const struct zone *z /* NULL: UTC */)
{
	return z ? z->hash : 0;
}

/* From now on it is this process's local time. `fd`: of the rules. It needs /proc: so before the sandbox, and
 * while there is one thread. */
int must_check zone_use(int fd);
/* The same for UTC. */
void zone_use_utc(void);
