/* The ids of a stretch of history that was read lately: where in the log the event with an id may be. In
 * memory; the way in is the log's order. Whoever holds it keeps others out. */
#pragma once

#include "base/defs.h"
#include "base/slice.h"
#include "store/log.h"

/* An event's id as 64 bits of hash, and where its line begins in history. */
struct ids_entry {
	uint64_t print, off;
};

/* Places, as they are found. */
struct ids_places {
	uint64_t *offs;
	size_t n, cap;
};
int must_check ids_places_add(struct ids_places *p, uint64_t off);

#define IDS_LACKS_NONE UINT64_MAX

struct ids_table {
	struct log_pos begin, end; /* the stretch */
	uint64_t lacks; /* where it begins to lack ids, since something could not be read; IDS_LACKS_NONE */
	struct ids_entry *entries;
	uint32_t *next; /* of each entry: the one before in its chain, counted from 1; 0: it is the last */
	uint32_t *heads;
	size_t n, cap, cap_next;
};

/* NULL: no memory. Of a stretch that begins there and has no length yet. */
struct ids_table *ids_table_new(const struct log_pos *begin);
void ids_table_free(struct ids_table *t);

/* All of them or (-ENOMEM) none. */
int must_check ids_table_add(struct ids_table *t, const struct ids_entry *entries, size_t n);
int must_check ids_table_find(const struct ids_table *t, uint64_t print, struct ids_places *ret);
/* The memory that it takes. */
size_t ids_table_bytes(const struct ids_table *t);

/* By print, then by place. */
int ids_entry_compare(const void *a, const void *b);
