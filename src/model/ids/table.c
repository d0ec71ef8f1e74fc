#include "model/ids/table.h"

#include <errno.h>
#include <xxhash.h>

#include "model/ids/ids.h"

/* Chains, so that a thousand events with one id cost no more than a thousand with others. */
#define HEADS (UINT32_C(1) << 16)

uint64_t ids_print(struct slice id)
{
	return XXH64(id.data, id.len, 0);
}

int ids_places_add(struct ids_places *p, uint64_t off)
{
	if (!list_room(p->offs, p->n, p->cap, 4))
		return -ENOMEM;
	p->offs[p->n++] = off;
	return 0;
}

struct ids_table *ids_table_new(const struct log_pos *begin)
{
	struct ids_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->begin = t->end = *begin;
	t->lacks = IDS_LACKS_NONE;
	t->heads = calloc(HEADS, sizeof(*t->heads));
	if (!t->heads) {
		free(t);
		return NULL;
	}
	return t;
}

void ids_table_free(struct ids_table *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t->next);
	free(t->heads);
	free(t);
}

static bool make_room(struct ids_table *t, size_t n)
{
	for (size_t need = t->n + n; t->cap < need;) {
		size_t had = t->cap;
		if (!list_room(t->entries, had, t->cap, 1024))
			return false;
	}
	while (t->cap_next < t->cap) {
		size_t had = t->cap_next;
		if (!list_room(t->next, had, t->cap_next, 1024))
			return false;
	}
	return true;
}

static uint32_t *head_of(const struct ids_table *t, uint64_t print)
{
	return &t->heads[print & (HEADS - 1)];
}

int ids_table_add(struct ids_table *t, const struct ids_entry *entries, size_t n)
{
	if (t->n + n > UINT32_MAX - 1 || !make_room(t, n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t *head = head_of(t, entries[i].print);
		t->entries[t->n] = entries[i];
		t->next[t->n] = *head;
		*head = (uint32_t)++t->n;
	}
	return 0;
}

int ids_table_find(const struct ids_table *t, uint64_t print, struct ids_places *ret)
{
	for (uint32_t at = *head_of(t, print); at; at = t->next[at - 1]) {
		int r = t->entries[at - 1].print == print ? ids_places_add(ret, t->entries[at - 1].off) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

size_t ids_table_bytes(const struct ids_table *t)
{
	return sizeof(*t) + t->cap * sizeof(*t->entries) + t->cap_next * sizeof(*t->next) +
	       HEADS * sizeof(*t->heads);
}

int ids_entry_compare(const void *a, const void *b)
{
	const struct ids_entry *x = a, *y = b;

	if (x->print != y->print)
		return x->print < y->print ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}
