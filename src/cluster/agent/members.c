/* The machines that have the log, as the engine knows them, and this one among them. */
#include <stdio.h>
#include <string.h>

#include "cluster/agent/agent_impl.h"

#define LOOK_MS 2000
#define MOVED_MS 5000  /* so often it is told that the own position is another */
#define ALIVE_MS 30000 /* so often that it is the same */
#define AGAIN_MS 500

struct member {
	const char *host, *path;
	uint64_t position, time;
};

/* What can't be read is nothing, at the log's begin. The caller's, for cJSON_Delete(). */
static cJSON *member_read(struct slice value, struct member *ret)
{
	cJSON *json = cJSON_ParseWithLength(value.data, value.len);
	const char *host = json_text(json, "host"), *path = json_text(json, "path");

	*ret = (struct member){.host = host ? host : "", .path = path ? path : ""};
	if (!json_number(json, "position", &ret->position))
		ret->position = 0;
	if (!json_number(json, "time", &ret->time))
		ret->time = 0;
	return json;
}

uint64_t members_position(struct slice value)
{
	struct member m;

	cJSON_Delete(member_read(value, &m));
	return m.position;
}

static void member_write(const struct agent *a, uint64_t position, struct buf *out)
{
	const struct agent_options *o = &a->options;

	buf_printf(out, "{\"machine\":\"%s\",\"host\":", o->machine);
	buf_add_json(out, slice_of(o->host));
	buf_add_str(out, ",\"path\":");
	buf_add_json(out, slice_of(o->path));
	buf_printf(out, ",\"position\":%llu,\"time\":%llu,\"version\":", (unsigned long long)position,
		   (unsigned long long)clock_unix());
	buf_add_json(out, slice_of(o->version));
	buf_add_char(out, '}');
}

/* NULL: nobody holds it. */
static const struct etcd_kv *holder_of(const struct agent *a, const struct etcd_range *holders,
				       const char *machine)
{
	char key[KEY_MAX];

	keys_holder(&a->keys, machine, key);
	for (size_t i = 0; i < holders->n; i++)
		if (slice_eq(holders->kvs[i].key, slice_of(key)))
			return &holders->kvs[i];
	return NULL;
}

static void add_member(const struct agent *a, const struct etcd_kv *kv, const char *machine, bool alive,
		       struct buf *out, uint64_t *least)
{
	struct member m;
	cJSON *json = member_read(kv->value, &m);

	*least = min(*least, m.position);
	buf_printf(out, "%s{\"machine\":\"%s\",\"host\":", out->len > 1 ? "," : "", machine);
	buf_add_json(out, slice_of(m.host));
	buf_add_str(out, ",\"path\":");
	buf_add_json(out, slice_of(m.path));
	buf_printf(out, ",\"position\":%llu,\"time\":%llu,\"alive\":%s}", (unsigned long long)m.position,
		   (unsigned long long)m.time, alive ? "true" : "false");
	cJSON_Delete(json);
}

void members_forgotten(struct agent *a)
{
	order_registered(&a->order, false);
	a->members.write.at_ms = a->order.now_ms;
}

static void say_members(struct agent *a, const struct etcd_range *members, const struct etcd_range *holders)
{
	struct buf text auto_buf = {0};
	char machine[BATCH_MACHINE + 1];
	uint64_t least = UINT64_MAX;
	bool here = false;

	buf_add_char(&text, '[');
	for (size_t i = 0; i < members->n; i++) {
		if (!keys_machine(a->keys.members, members->kvs[i].key, machine))
			continue;
		add_member(a, &members->kvs[i], machine, holder_of(a, holders, machine), &text, &least);
		if (strcmp(machine, a->options.machine) == 0) {
			here = true;
			a->members.position = members_position(members->kvs[i].value);
		}
	}
	buf_add_char(&text, ']');
	a->trim.members_off = least;
	if (here)
		order_registered(&a->order, true);
	else if (a->order.registered)
		members_forgotten(a);
	if (slice_eq(buf_slice(&text), buf_slice(&a->members.told)))
		return;
	agent_say(a, FRAME_MEMBERS, &text);
	buf_clear(&a->members.told);
	buf_add_slice(&a->members.told, buf_slice(&text));
}

/* Somebody has taken the own one: who has nothing to append would not notice. */
static void mind_holder(struct agent *a, const struct etcd_kv *holder)
{
	if (holder && holder->modified > a->order.holder)
		lease_lost(a);
}

/* Ranges: members, holders. */
static void looked(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;

	a->members.look.call = NULL;
	if (!agent_heard(a, answer) || answer->n_ranges < 2) {
		a->trim.members_off = UINT64_MAX;
		return;
	}
	say_members(a, &answer->ranges[0], &answer->ranges[1]);
	mind_holder(a, holder_of(a, &answer->ranges[1], a->options.machine));
	trim_look(a);
}

static void look(struct agent *a)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};

	a->members.look.at_ms = a->order.now_ms + LOOK_MS;
	etcd_txn_range(&txn.success, a->keys.members, a->keys.members_end, 0);
	etcd_txn_range(&txn.success, a->keys.holders, a->keys.holders_end, 0);
	a->members.look.call = agent_called(a, etcd_txn_send(a->etcd, &txn, CALL_MS, looked, a));
}

static void is_written(struct agent *a)
{
	struct members *m = &a->members;

	m->position = m->writing;
	if (!a->order.registered)
		m->look.at_ms = a->order.now_ms;
	m->write.at_ms = a->order.now_ms + MOVED_MS;
	m->alive_ms = a->order.now_ms + ALIVE_MS;
	order_registered(&a->order, true);
}

/* Why it could not be registered. Ranges: the own key, the batch at our place, head. */
static void not_registered(struct agent *a, const struct etcd_answer *answer)
{
	const struct etcd_range *r = answer->ranges;
	struct batch_head head = {0};

	if (answer->n_ranges < 3)
		return;
	if (r[0].n > 0) {
		a->members.position = members_position(r[0].kvs[0].value);
		order_registered(&a->order, true);
		return;
	}
	bool at_head =
	    r[2].n > 0 && batch_head_read(r[2].kvs[0].value, &head) && head.off == a->members.writing;
	if (at_head || r[1].n > 0) {
		a->members.by_head = at_head;
		a->members.write.at_ms = a->order.now_ms;
	} else if (a->order.appended.off == a->order.delivered.off &&
		   a->order.appended.off == a->members.writing) {
		order_over(
		    &a->order,
		    "this machine was forgotten, and the engine no longer keeps what follows %llu. Copy "
		    "DATA from another machine (`eventfold copy`), and mount that",
		    (unsigned long long)a->members.writing);
	}
}

static void registered(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;

	a->members.write.call = NULL;
	if (!agent_heard(a, answer))
		return;
	if (answer->succeeded)
		is_written(a);
	else
		not_registered(a, answer);
}

/* Only while all is there that comes next here: from then on it is kept for us. */
static void register_it(struct agent *a)
{
	struct members *m = &a->members;
	const struct batch_head *at = &a->order.appended;
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	struct buf value auto_buf = {0}, head auto_buf = {0};
	char batch[KEY_MAX];

	m->writing = at->off;
	member_write(a, at->off, &value);
	batch_head_write(at, &head);
	keys_batch(&a->keys, at->off, batch);
	etcd_txn_if_exists(&txn, a->member_key, false);
	if (m->by_head)
		etcd_txn_if_value(&txn, a->keys.head, buf_slice(&head));
	else
		etcd_txn_if_exists(&txn, batch, true);
	etcd_txn_put(&txn.success, a->member_key, buf_slice(&value), 0);
	etcd_txn_range(&txn.failure, a->member_key, NULL, 0);
	etcd_txn_range(&txn.failure, batch, NULL, 0);
	etcd_txn_range(&txn.failure, a->keys.head, NULL, 0);
	m->write.at_ms = a->order.now_ms + AGAIN_MS;
	m->write.call = agent_called(
	    a, value.failed || head.failed ? NULL : etcd_txn_send(a->etcd, &txn, CALL_MS, registered, a));
}

static void rewritten(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;

	a->members.write.call = NULL;
	if (!agent_heard(a, answer))
		return;
	if (answer->succeeded)
		is_written(a);
	else
		members_forgotten(a);
}

/* How much is on disk here. What was appended before this agent's time need not be: the log says so when it
 * is.
 */
static uint64_t furthest(const struct agent *a)
{
	const struct order *o = &a->order;

	return o->appended_told ? max(o->appended.off, a->members.position) : a->members.position;
}

static void rewrite(struct agent *a)
{
	struct members *m = &a->members;
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	struct buf value auto_buf = {0};

	m->writing = furthest(a);
	member_write(a, m->writing, &value);
	etcd_txn_if_exists(&txn, a->member_key, true);
	etcd_txn_put(&txn.success, a->member_key, buf_slice(&value), 0);
	m->write.at_ms = a->order.now_ms + AGAIN_MS;
	m->write.call =
	    agent_called(a, value.failed ? NULL : etcd_txn_send(a->etcd, &txn, CALL_MS, rewritten, a));
}

void members_turn(struct agent *a)
{
	struct members *m = &a->members;
	const struct order *o = &a->order;

	if (task_is_due(&m->look, o->now_ms))
		look(a);
	if (o->stage != ORDER_JOINED || !task_is_due(&m->write, o->now_ms))
		return;
	if (!o->registered)
		register_it(a);
	else if (furthest(a) > m->position || o->now_ms >= m->alive_ms)
		rewrite(a);
}

void members_due_ms(const struct agent *a, uint64_t *due_ms)
{
	task_due_ms(&a->members.look, due_ms);
	if (a->order.stage == ORDER_JOINED && !a->members.write.call) {
		bool moved = furthest(a) > a->members.position || !a->order.registered;
		uint64_t at = max(a->members.write.at_ms, moved ? 0 : a->members.alive_ms);
		*due_ms = min(*due_ms, at);
	}
}
