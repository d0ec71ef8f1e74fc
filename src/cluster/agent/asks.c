/* What a person asks for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/agent/agent_impl.h"

#define AGAIN_MS 500

void asks_add(struct agent *a, uint64_t id, const char *machine)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask) {
		a->error = -ENOMEM;
		return;
	}
	ask->agent = a;
	ask->id = id;
	snprintf(ask->machine, sizeof(ask->machine), "%s", machine);
	ask->next = a->asks;
	a->asks = ask;
}

/* It is freed. */
static void answer_ask(struct ask *ask, int error, const char *why)
{
	struct agent *a = ask->agent;
	struct ask **at = &a->asks;
	struct buf text auto_buf = {0};

	while (*at != ask)
		at = &(*at)->next;
	*at = ask->next;
	buf_printf(&text, "{\"id\":%llu,\"errno\":%d,\"why\":", (unsigned long long)ask->id, error);
	if (why)
		buf_add_json(&text, slice_of(why));
	else
		buf_add_str(&text, "null");
	buf_add_char(&text, '}');
	agent_say(a, FRAME_DONE, &text);
	free(ask);
}

/* True: it was answered for want of an answer that something can be made of, or is tried again. */
static bool has_failed(struct ask *ask, const struct etcd_answer *answer)
{
	struct agent *a = ask->agent;

	ask->call = NULL;
	if (agent_heard(a, answer))
		return false;
	if (answer->result == ETCD_REFUSED) {
		answer_ask(ask, EPERM, answer->why);
	} else {
		ask->tried = true;
		ask->at_ms = a->order.now_ms + AGAIN_MS;
	}
	return true;
}

static void forgot(void *arg, const struct etcd_answer *answer)
{
	struct ask *ask = arg;

	if (has_failed(ask, answer))
		return;
	if (!answer->succeeded)
		answer_ask(ask, EBUSY, "that machine is alive: unmount the log there first");
	else if (answer->deleted == 0 && !ask->tried)
		answer_ask(ask, ENOENT, "there is no such machine");
	else
		answer_ask(ask, 0, NULL);
}

/* Only while nobody holds its key. */
static void forget(struct agent *a, struct ask *ask)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	char member[KEY_MAX], holder[KEY_MAX];

	keys_member(&a->keys, ask->machine, member);
	keys_holder(&a->keys, ask->machine, holder);
	etcd_txn_if_exists(&txn, holder, false);
	etcd_txn_delete(&txn.success, member, NULL);
	ask->call = agent_called(a, etcd_txn_send(a->etcd, &txn, CALL_MS, forgot, ask));
}

static void agreed(void *arg, const struct etcd_answer *answer)
{
	struct ask *ask = arg;

	if (has_failed(ask, answer))
		return;
	order_look_soon(&ask->agent->order);
	answer_ask(ask, 0, NULL);
}

static void agree(struct agent *a, struct ask *ask)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};

	/* Not before there is a log. */
	etcd_txn_if_exists(&txn, a->keys.head, true);
	etcd_txn_put(&txn.success, a->keys.config, slice_of(a->order.config), 0);
	ask->call = agent_called(a, etcd_txn_send(a->etcd, &txn, CALL_MS, agreed, ask));
}

void asks_turn(struct agent *a)
{
	for (struct ask *ask = a->asks; ask; ask = ask->next) {
		if (ask->call || a->order.now_ms < ask->at_ms)
			continue;
		if (ask->machine[0])
			forget(a, ask);
		else
			agree(a, ask);
	}
}

void asks_due_ms(const struct agent *a, uint64_t *due_ms)
{
	for (const struct ask *ask = a->asks; ask; ask = ask->next)
		if (!ask->call)
			*due_ms = min(*due_ms, ask->at_ms);
}

void asks_end(struct agent *a)
{
	for (struct ask *ask = a->asks, *next; ask; ask = next) {
		next = ask->next;
		etcd_cancel(ask->call);
		free(ask);
	}
	a->asks = NULL;
}
