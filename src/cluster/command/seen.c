#include "cluster/command/seen.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/plain.h"

enum { HEAD, CONFIG, MEMBERS, HOLDERS, BATCHES, AT, RANGES };

struct look {
	const struct keys *keys;
	struct seen *seen;
	bool well;
};

static uint64_t number(const cJSON *json, const char *key)
{
	double value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, key));

	return value >= 0 && value < 9e15 ? (uint64_t)value : 0;
}

static void read_where(const cJSON *json, struct seen_member *m)
{
	const char *host = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "host"));
	const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "path"));
	auto_buf struct buf text = {0};

	buf_printf(&text, "%s:%s", host ? host : "?", path ? path : "?");
	plain_text(m->where, sizeof(m->where), buf_slice(&text), false);
}

static struct seen_member *find_member(struct seen *s, const char *machine)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (strcmp(s->members[i].machine, machine) == 0)
			return &s->members[i];
	return NULL;
}

static void read_members(struct look *l, const struct etcd_range *range)
{
	struct seen *s = l->seen;

	for (size_t i = 0; i < range->n; i++) {
		struct seen_member *m = &s->members[s->n_members];
		struct slice value = range->kvs[i].value;
		if (!keys_machine(l->keys->members, range->kvs[i].key, m->machine))
			continue;
		cJSON *json = cJSON_ParseWithLength(value.data, value.len);
		read_where(json, m);
		m->position = number(json, "position");
		m->time = number(json, "time");
		m->registered = true;
		s->n_members++;
		cJSON_Delete(json);
	}
}

/* One that was forgotten while it is mounted holds its identity all the same. */
static void read_holders(struct look *l, const struct etcd_range *range)
{
	char machine[BATCH_MACHINE + 1];
	struct seen *s = l->seen;

	for (size_t i = 0; i < range->n; i++) {
		if (!keys_machine(l->keys->holders, range->kvs[i].key, machine))
			continue;
		struct seen_member *m = find_member(s, machine);
		if (!m) {
			m = &s->members[s->n_members++];
			memcpy(m->machine, machine, sizeof(machine));
		}
		m->mounted = true;
		s->n_mounted++;
	}
}

static void read_batches(struct look *l, const struct etcd_range *first, const struct etcd_range *at)
{
	struct cluster_batch batch;

	l->seen->n_batches = first->count;
	if (first->n > 0 && !keys_batch_read(l->keys, first->kvs[0].key, &l->seen->first))
		l->seen->first = 0;
	if (at->n > 0 && batch_read(at->kvs[0].value, &batch, NULL) == 0) {
		l->seen->at = batch.before;
		cluster_batch_deinit(&batch);
	}
}

static void read_ranges(void *arg, const struct etcd_answer *a)
{
	struct look *l = arg;
	struct seen *s = l->seen;

	if (a->n_ranges != RANGES)
		return;
	const struct etcd_range *r = a->ranges;
	s->members = calloc(r[MEMBERS].n + r[HOLDERS].n + 1, sizeof(*s->members));
	if (!s->members)
		return;
	if (r[HEAD].n > 0) {
		s->head_revision = r[HEAD].kvs[0].modified;
		s->has_head = batch_head_read(r[HEAD].kvs[0].value, &s->head);
	}
	if (r[CONFIG].n > 0 && r[CONFIG].kvs[0].value.len == BATCH_SHA)
		plain_text(s->config, sizeof(s->config), r[CONFIG].kvs[0].value, false);
	read_members(l, &r[MEMBERS]);
	read_holders(l, &r[HOLDERS]);
	read_batches(l, &r[BATCHES], &r[AT]);
	l->well = true;
}

bool seen_get(struct talk *t, uint64_t at, struct seen *ret)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	const struct keys *k = &t->keys;
	char key[KEY_MAX];

	*ret = (struct seen){0};
	keys_batch(k, at, key);
	etcd_txn_range(&txn.success, k->head, NULL, 0);
	etcd_txn_range(&txn.success, k->config, NULL, 0);
	etcd_txn_range(&txn.success, k->members, k->members_end, 0);
	etcd_txn_range(&txn.success, k->holders, k->holders_end, 0);
	etcd_txn_range(&txn.success, k->batches, k->batches_end, 1);
	etcd_txn_range(&txn.success, key, NULL, 0);
	struct look look = {.keys = k, .seen = ret};
	if (!talk_txn(t, &txn, read_ranges, &look))
		return false;
	if (!look.well)
		fputs("eventfold: the engine's answer is not understood\n", stderr);
	return look.well;
}

void seen_deinit(struct seen *s)
{
	free(take_ptr(s->members));
}
