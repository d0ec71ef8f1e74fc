#include "model/views/past_cache.h"

static void drop(struct past_cache *c, struct past_entry *e)
{
	if (!e->rendering)
		return;
	c->bytes -= e->rendering->json.len;
	rendering_unref(e->rendering);
	*e = (struct past_entry){0};
}

void past_cache_deinit(struct past_cache *c)
{
	for (size_t i = 0; i < PAST_ENTRIES; i++)
		drop(c, &c->entries[i]);
}

struct rendering *past_cache_find(struct past_cache *c, uint64_t reducer, uint64_t seq)
{
	struct past_entry *best = NULL;

	for (size_t i = 0; i < PAST_ENTRIES; i++) {
		struct past_entry *e = &c->entries[i];
		if (e->rendering && e->reducer == reducer && e->rendering->pos.seq <= seq &&
		    (!best || e->rendering->pos.seq > best->rendering->pos.seq))
			best = e;
	}
	if (!best)
		return NULL;
	best->used = ++c->clock;
	return best->rendering;
}

static struct past_entry *least_used(struct past_cache *c)
{
	struct past_entry *least = &c->entries[0];

	for (size_t i = 1; i < PAST_ENTRIES; i++)
		if (c->entries[i].used < least->used)
			least = &c->entries[i];
	return least;
}

/* The least used of those that are in use; NULL: none is. */
static struct past_entry *least_filled(struct past_cache *c)
{
	struct past_entry *least = NULL;

	for (size_t i = 0; i < PAST_ENTRIES; i++) {
		struct past_entry *e = &c->entries[i];
		if (e->rendering && (!least || e->used < least->used))
			least = e;
	}
	return least;
}

static bool has(const struct past_cache *c, uint64_t reducer, uint64_t seq)
{
	for (size_t i = 0; i < PAST_ENTRIES; i++) {
		const struct past_entry *e = &c->entries[i];
		if (e->rendering && e->reducer == reducer && e->rendering->pos.seq == seq)
			return true;
	}
	return false;
}

void past_cache_add(struct past_cache *c, uint64_t reducer, struct rendering *rendering)
{
	size_t len = rendering->json.len;
	struct past_entry *e;

	if (len > PAST_BYTES / 4 || has(c, reducer, rendering->pos.seq))
		return;
	while (c->bytes + len > PAST_BYTES && (e = least_filled(c)))
		drop(c, e);
	e = least_used(c);
	drop(c, e);
	*e = (struct past_entry){reducer, rendering_ref(rendering), ++c->clock};
	c->bytes += len;
}
