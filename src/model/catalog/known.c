/* The table of what is known. */
#include <stdio.h>

#include "base/names.h"
#include "model/catalog/impl.h"

#define READ_PAUSE_MS 100 /* before a file that could not be read is tried again */

static const char *name_at(const void *table, size_t i)
{
	return ((struct known *const *)table)[i]->name;
}

static size_t place_of(struct catalog *c, const char *name, bool *ret_found)
{
	return names_find(c->known, c->n_known, name_at, name, ret_found);
}

struct known *catalog_find(struct catalog *c, const char *name)
{
	bool found;
	size_t place = place_of(c, name, &found);

	return found ? c->known[place] : NULL;
}

/* Under the lock; NULL: no memory. */
static struct known *insert(struct catalog *c, const char *name)
{
	bool found;

	if (!list_room(c->known, c->n_known, c->cap_known, 16))
		return NULL;
	struct known *k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	snprintf(k->name, sizeof(k->name), "%s", name);
	size_t place = place_of(c, name, &found);
	memmove(c->known + place + 1, c->known + place, (c->n_known - place) * sizeof(struct known *));
	c->known[place] = k;
	c->n_known++;
	return k;
}

static void erase(struct catalog *c, struct known *k)
{
	bool found;
	size_t place = place_of(c, k->name, &found);

	c->n_known--;
	memmove(c->known + place, c->known + place + 1, (c->n_known - place) * sizeof(struct known *));
	free(k);
}

void catalog_put(struct catalog *c, const char *name, struct definition *def)
{
	struct definition *old = NULL;

	pthread_mutex_lock(&c->lock);
	struct known *k = catalog_find(c, name);
	if (!k && def)
		k = insert(c, name);
	bool lost = !k && def, same = (!k && !def) || (k && k->def == def), left = k && def;
	if (k) {
		old = k->def;
		k->def = def;
		k->again.at_ms = 0;
		if (!def)
			erase(c, k);
		else if (def->passing)
			again_later(&k->again, READ_PAUSE_MS);
		else if (!k->doubted)
			k->again.pause_ms = 0;
	}
	pthread_mutex_unlock(&c->lock);
	if (lost) {
		c->options.report(c->options.arg,
				  "a definition could not be looked at: no memory; it is tried again");
		catalog_missed(c);
		again_later(&c->dir_again, READ_PAUSE_MS);
	} else if (!same && c->options.changed(c->options.arg, name, def) < 0 && left) {
		catalog_missed(c);
		again_later(&c->dir_again, READ_PAUSE_MS);
		again_later(&k->again, READ_PAUSE_MS);
	}
	definition_unref(lost ? def : old);
}

bool catalog_keeps(const struct known *k, const struct definition *def)
{
	return k && def && def->wanting && !k->def->why.text[0];
}

void catalog_doubt(struct catalog *c, struct known *k, bool doubted)
{
	pthread_mutex_lock(&c->lock);
	k->doubted = doubted;
	pthread_mutex_unlock(&c->lock);
}

size_t catalog_names(struct catalog *c, char (**ret)[LIMIT_NAME + 1])
{
	size_t n = c->n_known; /* changed by this thread only */

	*ret = malloc(max(n, (size_t)1) * sizeof(**ret));
	for (size_t i = 0; *ret && i < n; i++)
		memcpy((*ret)[i], c->known[i]->name, sizeof(**ret));
	return *ret ? n : 0;
}
