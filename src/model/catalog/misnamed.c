/* What lies in the directory and would define something, but for its name. */
#include <stdio.h>

#include "model/catalog/impl.h"

bool catalog_is_misnamed(const struct catalog *c, const char *file)
{
	enum reducer_kind kind;
	char name[LIMIT_NAME + 1];
	struct slice stem;

	/* Hidden ones are editors' and copying programs'. */
	return file[0] != '.' && file[0] != '#' && definition_kind_of(c->options.sort, file, &kind, &stem) &&
	       !catalog_name_of(c, file, name);
}

void misnamed_add(const struct catalog *c, struct misnamed *m, const char *file)
{
	if (m->n < MISNAMED_MOST && catalog_is_misnamed(c, file))
		snprintf(m->file[m->n++], sizeof(m->file[0]), "%s", file);
}

void catalog_set_misnamed(struct catalog *c, const struct misnamed *m)
{
	pthread_mutex_lock(&c->lock);
	c->misnamed = *m;
	pthread_mutex_unlock(&c->lock);
}

void catalog_misnamed(struct catalog *c, struct misnamed *ret)
{
	pthread_mutex_lock(&c->lock);
	*ret = c->misnamed;
	pthread_mutex_unlock(&c->lock);
}
