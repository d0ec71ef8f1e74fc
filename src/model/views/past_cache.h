/* The states of views at places in the past: a bounded number of renderings, the least recently used go
 * first. The caller has a lock for it. */
#pragma once

#include "model/views/views.h"

#define PAST_ENTRIES 64
#define PAST_BYTES (64u << 20)

struct past_entry {
	uint64_t reducer; /* identity; 0: free */
	struct rendering *rendering;
	uint64_t used;
};

struct past_cache {
	struct past_entry entries[PAST_ENTRIES];
	size_t bytes;
	uint64_t clock;
};

void past_cache_deinit(struct past_cache *c);
/* The state of that reducer furthest on, but not beyond `seq` events; NULL: none. Borrowed until the next
 * call. */
struct rendering *past_cache_find(struct past_cache *c, uint64_t reducer, uint64_t seq);
/* Keeps a reference of its own, unless it is too large to be worth it. */
void past_cache_add(struct past_cache *c, uint64_t reducer, struct rendering *rendering);
