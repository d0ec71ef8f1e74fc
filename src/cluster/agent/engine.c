/* What the order wants from the engine: looks, transactions, and a watch. */
#include <stdio.h>
#include <string.h>

#include "cluster/agent/agent_impl.h"

#define WATCH_AGAIN_MS 100
#define CONFIG_AGAIN_MS 500
#define PATIENCE_MS 1500u
#define PATIENCE_MAX_MS 15000u
#define BYTES_A_MS 512 /* of a batch, at the slowest */

static const struct etcd_kv *first_of(const struct etcd_answer *answer, size_t range)
{
	const struct etcd_range *r = &answer->ranges[range];

	return r->n > 0 ? &r->kvs[0] : NULL;
}

static void watch_stop(struct agent *a)
{
	etcd_cancel(take_ptr(a->watch_call));
	a->watch_again_ms = 0;
}

/* After a look at that revision. A watch is of use where all that there was has been delivered, and begins
 * there: until then its news would be dropped, and there may be a great many. One that did not tell of what
 * the look has found is begun anew, and so is one by another way than looks take. */
static void mind_watch(struct agent *a, uint64_t revision)
{
	const struct order *o = &a->order;
	bool found = o->delivered.off > a->look.delivered.off;

	if (o->seen.off > o->delivered.off) {
		watch_stop(a);
		a->watch_from = 0;
	} else if (a->watch_from == 0) {
		a->watch_from = revision + 1;
	} else if (a->watch_call &&
		   ((found && !a->watch_heard) || strcmp(a->watch_endpoint, etcd_endpoint(a->etcd)) != 0)) {
		watch_stop(a);
	}
	a->watch_heard = false;
}

/* The way to the engine has got lost, or another was taken: what comes by the old one, and whether anything
 * does, is not known. */
static void look_has_failed(struct agent *a)
{
	if (strcmp(a->look_endpoint, etcd_endpoint(a->etcd)) == 0)
		etcd_move(a->etcd);
	watch_stop(a);
	a->look_failed = true;
	order_look_failed(&a->order);
}

/* The engine answers again. What it was sent before may have got lost with a leader that is none any more,
 * which would be noticed only much later. */
static void is_back(struct agent *a)
{
	a->look_failed = false;
	if (a->commit_call) {
		etcd_cancel(take_ptr(a->commit_call));
		order_committed(&a->order, &a->commit, ORDER_UNCERTAIN, NULL);
	}
	order_back(&a->order);
}

/* Ranges: head, config, member, batches. */
static void looked(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;
	struct order_found found = {0};

	a->look_call = NULL;
	if (!agent_heard(a, answer) || answer->n_ranges < 4) {
		look_has_failed(a);
		return;
	}
	if (a->look_failed)
		is_back(a);
	found.head = first_of(answer, 0);
	found.config = first_of(answer, 1);
	found.member = first_of(answer, 2);
	found.batches = answer->ranges[3].kvs;
	found.n = answer->ranges[3].n;
	if (found.member)
		found.position = members_position(found.member->value);
	order_looked(&a->order, &a->look, &found);
	mind_watch(a, answer->revision);
}

static void looked_inside(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;
	struct order_found found = {0};

	a->look_call = NULL;
	if (!agent_heard(a, answer) || answer->n_ranges < 1) {
		look_has_failed(a);
		return;
	}
	found.batches = answer->ranges[0].kvs;
	found.n = answer->ranges[0].n;
	order_looked(&a->order, &a->look, &found);
}

static void look(struct agent *a)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	const unsigned ms = CALL_MS << min(a->look.tries, 2u);
	char from[KEY_MAX];

	if (!a->state.asked_ms)
		a->state.asked_ms = a->order.now_ms;
	snprintf(a->look_endpoint, sizeof(a->look_endpoint), "%s", etcd_endpoint(a->etcd));
	keys_batch(&a->keys, a->look.delivered.off, from);
	if (a->look.inside) {
		struct etcd_find find = {.key = a->keys.batches, .end = from, .limit = 1, .descending = true};
		a->look_call = agent_called(a, etcd_find(a->etcd, &find, ms, looked_inside, a));
		return;
	}
	etcd_txn_range(&txn.success, a->keys.head, NULL, 0);
	etcd_txn_range(&txn.success, a->keys.config, NULL, 0);
	etcd_txn_range(&txn.success, a->member_key, NULL, 0);
	/* Of none, none are found. */
	etcd_txn_range(&txn.success, from, a->look.limit ? a->keys.batches_end : from, a->look.limit);
	a->look_call = agent_called(a, etcd_txn_send(a->etcd, &txn, ms, looked, a));
}

/* Ranges: head, holder, member, config, the batch at our place. */
static void committed(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;
	struct order_found found = {0};
	enum order_outcome outcome = ORDER_UNCERTAIN;

	a->commit_call = NULL;
	if (agent_heard(a, answer)) {
		if (answer->succeeded) {
			outcome = ORDER_ENTERED;
		} else if (answer->n_ranges >= 5) {
			outcome = ORDER_FAILED;
			found.head = first_of(answer, 0);
			found.holder = first_of(answer, 1);
			found.member = first_of(answer, 2);
			found.config = first_of(answer, 3);
			found.batches = answer->ranges[4].kvs;
			found.n = answer->ranges[4].n;
		}
	} else if (answer->result == ETCD_FULL) {
		outcome = ORDER_FULL;
	} else if (answer->result == ETCD_REFUSED && strstr(answer->why, "too large")) {
		outcome = ORDER_TOO_LARGE;
	}
	order_committed(&a->order, &a->commit, outcome, &found);
	if (a->order.holder == 0)
		lease_lost(a);
	if (!a->order.registered)
		members_forgotten(a);
}

/* Who does not answer may be away, and is not waited for much; or slow, and is given more with each try. */
static unsigned patience_ms(const struct order_commit *c)
{
	unsigned ms = PATIENCE_MS + (unsigned)(c->text.len / BYTES_A_MS);

	ms <<= min(c->tries, 3u);
	return min(ms, PATIENCE_MAX_MS);
}

static void commit(struct agent *a)
{
	const struct order_commit *c = &a->commit;
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};
	struct buf before auto_buf = {0}, after auto_buf = {0};
	char batch[KEY_MAX];

	batch_head_write(&c->before, &before);
	batch_head_write(&c->after, &after);
	keys_batch(&a->keys, c->before.off, batch);
	etcd_txn_if_value(&txn, a->keys.head, buf_slice(&before));
	etcd_txn_if_modified(&txn, a->holder_key, c->holder);
	etcd_txn_if_exists(&txn, a->member_key, true);
	etcd_txn_if_value(&txn, a->keys.config, slice_of(c->config));
	etcd_txn_put(&txn.success, a->keys.head, buf_slice(&after), 0);
	etcd_txn_put(&txn.success, batch, c->text, 0);
	etcd_txn_range(&txn.failure, a->keys.head, NULL, 0);
	etcd_txn_range(&txn.failure, a->holder_key, NULL, 0);
	etcd_txn_range(&txn.failure, a->member_key, NULL, 0);
	etcd_txn_range(&txn.failure, a->keys.config, NULL, 0);
	etcd_txn_range(&txn.failure, batch, NULL, 0);
	a->commit_call = agent_called(a, before.failed || after.failed
					     ? NULL
					     : etcd_txn_send(a->etcd, &txn, patience_ms(c), committed, a));
}

static void told(void *arg, const struct etcd_news *news)
{
	struct agent *a = arg;

	order_time(&a->order, clock_ms());
	a->watch_heard |= news->n > 0;
	if (news->result != ETCD_OK) {
		/* It has ended. Where it would have begun is gone, too: the next look says where from. */
		a->watch_call = NULL;
		a->watch_again_ms = a->order.now_ms + WATCH_AGAIN_MS;
		if (news->result == ETCD_COMPACTED) {
			a->watch_from = 0;
			order_look_soon(&a->order);
		}
		return;
	}
	for (size_t i = 0; i < news->n; i++)
		a->watch_from = max(a->watch_from, news->kvs[i].modified + 1);
	order_watched(&a->order, news->kvs, news->n);
}

static void watch(struct agent *a)
{
	snprintf(a->watch_endpoint, sizeof(a->watch_endpoint), "%s", etcd_endpoint(a->etcd));
	a->watch_call = agent_called(
	    a, etcd_watch(a->etcd, a->keys.batches, a->keys.watched_end, a->watch_from, told, a));
}

static void config_made(void *arg, const struct etcd_answer *answer)
{
	struct agent *a = arg;

	a->config.call = NULL;
	if (agent_heard(a, answer))
		order_look_soon(&a->order);
}

/* Nobody has said yet by what appends are decided: as they are here. */
static void make_config(struct agent *a)
{
	struct etcd_txn txn cleanup(etcd_txn_deinit) = {0};

	etcd_txn_if_exists(&txn, a->keys.config, false);
	etcd_txn_put(&txn.success, a->keys.config, slice_of(a->order.config), 0);
	a->config.at_ms = a->order.now_ms + CONFIG_AGAIN_MS;
	a->config.call = agent_called(a, etcd_txn_send(a->etcd, &txn, CALL_MS, config_made, a));
}

void engine_turn(struct agent *a)
{
	struct order *o = &a->order;

	if (!a->look_call && order_wants_look(o, &a->look))
		look(a);
	if (a->commit_call && order_is_decided(o, a->commit.n))
		etcd_let_go(take_ptr(a->commit_call));
	if (!a->commit_call && order_wants_commit(o, &a->commit))
		commit(a);
	if (!a->watch_call && a->watch_from && o->now_ms >= a->watch_again_ms)
		watch(a);
	if (o->stage == ORDER_JOINED && !o->engine_config[0] && task_is_due(&a->config, o->now_ms))
		make_config(a);
}

uint64_t engine_due_ms(const struct agent *a)
{
	uint64_t due = order_due_ms(&a->order);

	if (!a->watch_call && a->watch_from)
		due = min(due, a->watch_again_ms);
	return due;
}
