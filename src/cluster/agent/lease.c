/* Whose the machine's identity is: the holder's key, which lives by a lease. */
#include <stdio.h>
#include <string.h>

#include "cluster/agent/agent_impl.h"

#define TTL_S 10
#define KEEP_MS 3000
#define AGAIN_MS 200
#define FOREIGN_AGAIN_MS 1000
#define FOREIGN_MS 30000 /* three times as long as a lease lives that nobody keeps alive */

static void later(struct agent *a, uint64_t pause_ms)
{
	a->lease.task.at_ms = a->order.now_ms + pause_ms;
}

static void give_up(struct agent *a)
{
	a->lease.id = 0;
	a->lease.taken = false;
	a->lease.found_revision = 0;
	order_hold(&a->order, 0);
}

void lease_lost(struct agent *a)
{
	if (a->lease.taken) {
		give_up(a);
		later(a, 0);
	}
}

static void granted(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;

	a->lease.task.call = NULL;
	later(a, AGAIN_MS);
	if (agent_heard(a, answer)) {
		a->lease.id = answer->lease;
		later(a, 0);
	}
}

/* One of this very kernel is left over: DATA's lock says that its daemon is gone. But who takes the key from
 * us is alive, and has another DATA of that path: in a container. */
static bool is_ours(const struct agent *a, struct slice value)
{
	size_t len = strlen(a->options.kernel);
	bool of_kernel =
	    value.len > len && memcmp(value.data, a->options.kernel, len) == 0 && value.data[len] == ' ';

	return slice_eq(value, slice_of(a->holder_value)) || (of_kernel && !a->lease.held);
}

static void found(struct agent *a, const struct etcd_kv *kv)
{
	struct lease *l = &a->lease;
	bool ours = kv && is_ours(a, kv->value);

	l->found_revision = ours ? kv->modified : 0;
	if (!kv || ours) {
		l->foreign_ms = 0;
		later(a, kv ? 0 : AGAIN_MS);
		return;
	}
	l->foreign_ms = l->foreign_ms ? l->foreign_ms : a->order.now_ms;
	if (a->order.now_ms - l->foreign_ms >= FOREIGN_MS)
		order_over(&a->order,
			   "another machine holds this one's identity, %s: is this DATA, or the "
			   "machine, a copy of another?",
			   a->options.machine);
	later(a, FOREIGN_AGAIN_MS);
}

static void taken(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;
	struct lease *l = &a->lease;

	l->task.call = NULL;
	later(a, AGAIN_MS);
	if (!agent_heard(a, answer)) {
		l->found_revision = 0;
		if (answer->result == ETCD_NO_LEASE)
			give_up(a);
	} else if (answer->succeeded) {
		l->taken = l->held = true;
		l->foreign_ms = 0;
		order_hold(&a->order, answer->revision);
		later(a, KEEP_MS);
	} else {
		l->taken = false;
		order_hold(&a->order, 0);
		found(a, answer->n_ranges > 0 && answer->ranges[0].n > 0 ? answer->ranges[0].kvs : NULL);
	}
}

/* Only as it was found: missing, or of that revision. */
static void take(struct agent *a)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};

	etcd_txn_if_modified(&txn, a->holder_key, a->lease.found_revision);
	etcd_txn_put(&txn.success, a->holder_key, slice_of(a->holder_value), a->lease.id);
	etcd_txn_range(&txn.failure, a->holder_key, NULL, 0);
	a->lease.task.call = agent_called(a, etcd_txn_send(a->etcd, &txn, CALL_MS, taken, a));
}

static void kept(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;

	a->lease.task.call = NULL;
	bool well = agent_heard(a, answer);
	later(a, well ? KEEP_MS : AGAIN_MS);
	if (answer->result == ETCD_NO_LEASE || (well && answer->ttl_s == 0)) {
		give_up(a);
		later(a, 0);
	}
}

void lease_turn(struct agent *a)
{
	struct lease *l = &a->lease;

	/* The key is put anew, see order.h, 4. */
	if (a->order.again_hold && l->taken && !l->task.call) {
		l->taken = false;
		l->found_revision = a->order.holder;
		later(a, 0);
	}
	if (!task_is_due(&l->task, a->order.now_ms))
		return;
	if (!l->id)
		l->task.call = agent_called(a, etcd_lease_grant(a->etcd, TTL_S, CALL_MS, granted, a));
	else if (!l->taken)
		take(a);
	else
		l->task.call = agent_called(a, etcd_lease_keep(a->etcd, l->id, CALL_MS, kept, a));
}

static void revoked(void *arg, const struct etcd_answer *answer)
{
	*(bool *)arg = true;
}

void lease_end(struct agent *a)
{
	uint64_t until = clock_ms() + END_MS;
	bool done = false;

	if (!a->lease.id)
		return;
	if (!etcd_lease_revoke(a->etcd, a->lease.id, END_MS, revoked, &done))
		return;
	while (!done && clock_ms() < until) {
		if (etcd_wait(a->etcd, NULL, 0, clock_poll_ms(until)) < 0)
			return;
	}
}
