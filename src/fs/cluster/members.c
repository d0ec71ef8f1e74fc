#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cluster/impl.h"

void cluster_members_free(struct cluster_member *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].host);
		free(list[i].path);
	}
	free(list);
}

static char *copy_of(const cJSON *object, const char *key)
{
	const char *text = json_text(object, key);

	return strdup(text ? text : "");
}

/* False: it is no member. */
static bool read_member(const cJSON *item, struct cluster_member *ret)
{
	const char *id = json_text(item, "machine");

	if (!is_digits(id, BATCH_MACHINE))
		return false;
	memcpy(ret->machine, id, BATCH_MACHINE + 1);
	ret->host = copy_of(item, "host");
	ret->path = copy_of(item, "path");
	ret->position = cluster_number(item, "position");
	ret->time = cluster_number(item, "time");
	ret->alive = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "alive"));
	if (ret->host && ret->path)
		return true;
	free(ret->host);
	free(ret->path);
	return false;
}

static int by_machine(const void *a, const void *b)
{
	return strcmp(((const struct cluster_member *)a)->machine,
		      ((const struct cluster_member *)b)->machine);
}

void cluster_hear_members(struct cluster *c, struct slice text)
{
	cJSON *json = cJSON_ParseWithLength(text.data, text.len);
	size_t most = cJSON_IsArray(json) ? (size_t)cJSON_GetArraySize(json) : 0, n = 0;
	struct cluster_member *list = calloc(max(most, (size_t)1), sizeof(*list));
	const cJSON *item;

	if (list) {
		cJSON_ArrayForEach(item, json) n += n < most && read_member(item, &list[n]);
		qsort(list, n, sizeof(*list), by_machine);
	}
	cJSON_Delete(json);
	if (!list)
		return;
	pthread_mutex_lock(&c->lock);
	struct cluster_member *old = c->members;
	size_t n_old = c->n_members;
	c->members = list;
	c->n_members = n;
	pthread_mutex_unlock(&c->lock);
	cluster_members_free(old, n_old);
	c->start.changed(c->start.arg);
}

int cluster_members(struct cluster *c, struct cluster_member **ret, size_t *ret_n)
{
	pthread_mutex_lock(&c->lock);
	size_t n = c->n_members, i = 0;
	struct cluster_member *list = calloc(max(n, (size_t)1), sizeof(*list));
	for (bool well = list; well && i < n; i += well) {
		list[i] = c->members[i];
		list[i].host = strdup(c->members[i].host);
		list[i].path = strdup(c->members[i].path);
		well = list[i].host && list[i].path;
	}
	pthread_mutex_unlock(&c->lock);
	if (!list || i < n) {
		cluster_members_free(list, list ? min(i + 1, n) : 0);
		return -ENOMEM;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}
