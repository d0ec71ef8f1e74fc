#include "fs/log/prints.h"

#include <errno.h>
#include <string.h>

#define LEAST 64
#define MUCH 4096 /* slots that clearing takes as long as what it is for */

void prints_deinit(struct prints *p)
{
	free(p->slots);
	*p = (struct prints){0};
}

void prints_clear(struct prints *p)
{
	if (p->cap > MUCH)
		return prints_deinit(p);
	if (p->n > 0)
		memset(p->slots, 0, p->cap * sizeof(*p->slots));
	p->n = 0;
}

/* Its slot, or the free one where it belongs. */
static struct print *slot_of(const struct prints *p, uint64_t print)
{
	size_t at = print & (p->cap - 1);

	while (p->slots[at].used && p->slots[at].print != print)
		at = (at + 1) & (p->cap - 1);
	return &p->slots[at];
}

static int grow(struct prints *p)
{
	struct prints larger = {.cap = p->cap ? 2 * p->cap : LEAST};

	larger.slots = calloc(larger.cap, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < p->cap; i++)
		if (p->slots[i].used)
			*slot_of(&larger, p->slots[i].print) = p->slots[i];
	larger.n = p->n;
	free(p->slots);
	*p = larger;
	return 0;
}

int prints_add(struct prints *p, uint64_t print, struct print_owner owner)
{
	if (2 * (p->n + 1) > p->cap && grow(p) < 0)
		return -ENOMEM;
	struct print *slot = slot_of(p, print);
	if (slot->used)
		return 0;
	*slot = (struct print){print, owner, true};
	p->n++;
	return 0;
}

bool prints_find(const struct prints *p, uint64_t print, struct print_owner *ret)
{
	const struct print *slot = p->cap ? slot_of(p, print) : NULL;

	if (!slot || !slot->used)
		return false;
	*ret = slot->owner;
	return true;
}
