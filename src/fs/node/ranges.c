#include "fs/node/ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static void free_all(struct range *first)
{
	for (struct range *l = first, *next; l; l = next) {
		next = l->next;
		free(l);
	}
}

void ranges_deinit(struct ranges *r)
{
	free_all(take_ptr(r->first));
}

int ranges_spare_init(struct ranges_spare *s)
{
	*s = (struct ranges_spare){0};
	for (int i = 0; i < RANGES_SPARE; i++) {
		struct range *l = calloc(1, sizeof(*l));
		if (!l) {
			ranges_spare_deinit(s);
			return -ENOMEM;
		}
		l->next = s->first;
		s->first = l;
	}
	return 0;
}

void ranges_spare_deinit(struct ranges_spare *s)
{
	free_all(take_ptr(s->first));
}

static bool overlap(const struct range *a, const struct range *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* Overlap, or adjoin. The last byte there is comes before the greatest number. */
static bool touch(const struct range *a, const struct range *b)
{
	return a->first - 1 <= b->last && b->first - 1 <= a->last;
}

const struct range *ranges_conflict(const struct ranges *r, const struct range *want)
{
	for (const struct range *l = r->first; l && want->type != F_UNLCK; l = l->next)
		if (l->file == want->file && l->owner != want->owner && overlap(l, want) &&
		    (l->type == F_WRLCK || want->type == F_WRLCK))
			return l;
	return NULL;
}

static void remove_at(struct range **at)
{
	struct range *l = *at;

	*at = l->next;
	free(l);
}

/* A copy of this one, in the list at this place. */
static void add_at(struct range **at, const struct range *of, struct ranges_spare *s)
{
	struct range *l = s->first;

	s->first = l->next;
	*l = *of;
	l->next = *at;
	*at = l;
}

/* Takes the bytes of `want` out of one that is the same owner's and of another type. */
static void cut_at(struct range **at, const struct range *want, struct ranges_spare *s)
{
	struct range *l = *at, above = *l;

	if (l->first >= want->first && l->last <= want->last)
		return remove_at(at);
	if (l->first >= want->first) {
		l->first = want->last + 1;
		return;
	}
	if (l->last > want->last) {
		above.first = want->last + 1;
		add_at(&l->next, &above, s);
	}
	l->last = want->first - 1;
}

void ranges_set(struct ranges *r, const struct range *want, struct ranges_spare *s)
{
	struct range **at = &r->first, whole = *want;

	while (*at) {
		struct range *l = *at;
		bool own = l->file == want->file && l->owner == want->owner;
		if (own && l->type == want->type && touch(l, want)) {
			whole.first = min(whole.first, l->first);
			whole.last = max(whole.last, l->last);
			remove_at(at);
		} else if (own && l->type != want->type && overlap(l, want)) {
			cut_at(at, want, s);
			/* What is left of it overlaps no more. */
		} else {
			at = &l->next;
		}
	}
	if (want->type != F_UNLCK)
		add_at(&r->first, &whole, s);
}

static bool drop(struct ranges *r, bool (*is)(const struct range *l, const struct range *like),
		 const struct range *like)
{
	struct range **at = &r->first;
	bool found = false;

	while (*at) {
		if (is(*at, like)) {
			remove_at(at);
			found = true;
		} else {
			at = &(*at)->next;
		}
	}
	return found;
}

static bool is_owners(const struct range *l, const struct range *like)
{
	return l->file == like->file && l->owner == like->owner;
}

static bool is_handles(const struct range *l, const struct range *like)
{
	return l->handle == like->handle;
}

bool ranges_drop_owner(struct ranges *r, const void *file, uint64_t owner)
{
	return drop(r, is_owners, &(struct range){.file = file, .owner = owner});
}

bool ranges_drop_handle(struct ranges *r, const void *handle)
{
	return drop(r, is_handles, &(struct range){.handle = handle});
}
