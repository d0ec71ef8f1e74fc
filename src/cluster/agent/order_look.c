#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/agent/order_impl.h"
#include "cluster/link/proto.h"

#define LOOK_BYTES (4u << 20) /* of batches, about, in one answer */
#define LOOK_BATCHES 64
#define RETRY_MS 50

void order_saw(struct order *o, const struct batch_head *head)
{
	if (!o->seen.sha[0] || head->off > o->seen.off)
		o->seen = *head;
}

static bool is_behind(const struct order *o)
{
	return o->seen.off > o->delivered.off;
}

bool order_wants_look(struct order *o, struct order_look *ret)
{
	if (o->looking || o->stage == ORDER_OVER || o->stage == ORDER_WAITS || o->now_ms < o->look_ms)
		return false;
	uint64_t each = max(o->batch_bytes, (uint64_t)LOOK_BYTES / LOOK_BATCHES);
	*ret = (struct order_look){
	    .delivered = o->delivered,
	    .limit = order_is_ahead(o) ? 0 : max((uint64_t)LOOK_BYTES / each, (uint64_t)1),
	    .tries = o->stage == ORDER_JOINING || is_behind(o) ? o->look_tries : 0,
	    .inside = o->inside,
	};
	o->looking = true;
	return true;
}

void order_look_failed(struct order *o)
{
	o->looking = false;
	o->look_tries++;
	o->batch_bytes = min(4 * o->batch_bytes, (uint64_t)LOOK_BYTES); /* the way may be a slow one */
	o->pause_ms = order_pause(o->pause_ms, RETRY_MS);
	o->look_ms = o->now_ms + o->pause_ms;
}

void order_look_soon(struct order *o)
{
	o->look_ms = min(o->look_ms, o->now_ms + o->pause_ms);
}

/* When the next look is: at once where there is more than was delivered. */
static void plan_look(struct order *o)
{
	bool more = o->inside || (is_behind(o) && !order_is_ahead(o));

	o->pause_ms = 0;
	o->look_tries = 0;
	o->look_ms = more ? o->now_ms : o->now_ms + ORDER_LOOK_MS;
}

static void not_the_engines(struct order *o, const struct batch_head *ours, const struct batch_head *engines)
{
	order_over(o, "this log is not the engine's: here it is %llu:%.64s, there %llu:%.64s",
		   (unsigned long long)ours->off, ours->sha, (unsigned long long)engines->off, engines->sha);
}

bool order_check_head(struct order *o, const struct etcd_kv *kv, const struct batch_head *delivered,
		      struct batch_head *ret)
{
	if (!kv && !o->seen.sha[0])
		order_over(o,
			   "the engine knows no such log: `eventfold cluster begin` makes it of this DATA");
	else if (!kv)
		order_over(o, "the engine has lost the log's head");
	else if (!batch_head_read(kv->value, ret))
		order_over(o, "the engine's head of this log can't be read");
	else if (ret->off < delivered->off || (ret->off == delivered->off && !batch_head_is(ret, delivered)))
		not_the_engines(o, delivered, ret);
	else
		return true;
	return false;
}

void order_saw_config(struct order *o, const struct etcd_kv *kv)
{
	if (!kv)
		o->engine_config[0] = '\0';
	else if (kv->value.len == BATCH_SHA)
		snprintf(o->engine_config, sizeof(o->engine_config), "%.*s", BATCH_SHA, kv->value.data);
	else
		snprintf(o->engine_config, sizeof(o->engine_config), "?");
}

void order_deliver(struct order *o, const struct cluster_batch *b, struct slice text)
{
	struct order_proposal *p = o->proposal;

	o->stage = ORDER_JOINED;
	o->batch_bytes =
	    max(o->batch_bytes / 8 * 7, (uint64_t)text.len); /* it may be wrong once, not often */
	if (p && batch_is_same(b, &p->batch)) {
		order_say_mine(o);
		return;
	}
	frame_add(o->out, FRAME_BATCH, text);
	o->delivered = b->after;
	if (p && b->after.off > p->batch.before.off)
		p->moved = true;
	order_settle(o);
}

static void take_next(struct order *o, const struct cluster_batch *b, struct slice text)
{
	bool mine = o->proposal && batch_is_same(b, &o->proposal->batch);

	if (b->before.off != o->delivered.off)
		order_over(o, "the engine's batch at %llu says that it begins at %llu",
			   (unsigned long long)o->delivered.off, (unsigned long long)b->before.off);
	else if (b->after.off > o->seen.off)
		return; /* it lies there, but is not in the order */
	else if (!batch_head_is(&b->before, &o->delivered))
		not_the_engines(o, &o->delivered, &b->before);
	else if (b->after.off == o->seen.off && !batch_head_is(&b->after, &o->seen))
		order_over(o, "the engine's batch at %llu does not lead to the engine's head",
			   (unsigned long long)o->delivered.off);
	else if (mine || !order_is_ahead(o))
		order_deliver(o, b, text);
}

void order_take(struct order *o, uint64_t key, struct slice text)
{
	struct cluster_batch b cleanup(cluster_batch_deinit) = {0};
	struct diag diag = {0};

	/* What is beyond the next one is asked for, in order. */
	if (o->stage == ORDER_OVER || o->stage == ORDER_WAITS || key != o->delivered.off)
		return;
	int r = batch_read(text, &b, &diag);
	if (r == -EBADMSG)
		order_over(o, "the engine's batch at %llu can't be used: %s", (unsigned long long)key,
			   diag.text);
	else if (r < 0)
		o->out->failed = true;
	else
		take_next(o, &b, text);
}

static void take_all(struct order *o, const struct etcd_kv *kvs, size_t n)
{
	uint64_t off;

	for (size_t i = 0; i < n; i++) {
		if (keys_batch_read(o->keys, kvs[i].key, &off))
			order_take(o, off, kvs[i].value);
	}
}

/* The engine has gone on, and there is no batch at our end. */
static void gone(struct order *o)
{
	order_over(
	    o,
	    "this machine is too late: it has the log up to %llu, the engine is at %llu and keeps nothing "
	    "of what is between any more. Copy DATA from another machine (`eventfold copy`), and mount "
	    "that",
	    (unsigned long long)o->delivered.off, (unsigned long long)o->seen.off);
}

static void looked_inside(struct order *o, const struct order_found *found)
{
	struct cluster_batch b cleanup(cluster_batch_deinit) = {0};
	uint64_t key;

	o->inside = false;
	if (found->n == 0 || !keys_batch_read(o->keys, found->batches[0].key, &key)) {
		gone(o);
		return;
	}
	struct slice text = found->batches[0].value;
	int r = batch_read(text, &b, NULL);
	if (r < 0 && r != -EBADMSG)
		o->out->failed = true;
	else if (r < 0 || b.before.off != key || key >= o->delivered.off || b.after.off <= o->delivered.off ||
		 b.after.off > o->seen.off)
		gone(o);
	else {
		o->appended = b.before; /* whole batches count */
		order_deliver(o, &b, text);
	}
}

/* Does the order lead on from what was delivered when the look began? Where it is not known yet, our end may
 * be within a batch. */
static void look_for_next(struct order *o, const struct order_look *look, const struct batch_head *head,
			  const struct order_found *found)
{
	uint64_t first;

	if (head->off == look->delivered.off) {
		o->stage = ORDER_JOINED;
		return;
	}
	if (look->limit == 0 || o->delivered.off != look->delivered.off)
		return; /* it was not asked for, or it has come by another way */
	bool there = found->n > 0 && keys_batch_read(o->keys, found->batches[0].key, &first) &&
		     first == look->delivered.off;
	if (there)
		order_over(o, "the engine's batch at %llu ends behind the engine's head",
			   (unsigned long long)first);
	else if (o->stage == ORDER_JOINING)
		o->inside = true;
	else
		gone(o);
}

/* A machine says what it has on disk, and has less now. */
static void older_copy(struct order *o, uint64_t position)
{
	order_over(
	    o,
	    "this is an older copy of DATA: the machine had %llu bytes of history on disk, here are %llu. "
	    "`eventfold cluster forget %s` lets it take the rest from the engine; or copy DATA from "
	    "another machine",
	    (unsigned long long)position, (unsigned long long)o->delivered.off, o->machine);
}

void order_looked(struct order *o, const struct order_look *look, const struct order_found *found)
{
	struct batch_head head;

	o->looking = false;
	if (o->stage == ORDER_OVER)
		return;
	if (look->inside) {
		looked_inside(o, found);
		plan_look(o);
		return;
	}
	if (!order_check_head(o, found->head, &look->delivered, &head))
		return;
	order_saw(o, &head);
	order_saw_config(o, found->config);
	if (o->stage == ORDER_JOINING && found->position > look->delivered.off) {
		older_copy(o, found->position);
		return;
	}
	take_all(o, found->batches, found->n);
	if (o->stage != ORDER_OVER && !o->out->failed)
		look_for_next(o, look, &head, found);
	plan_look(o);
	order_settle(o);
}

void order_watched(struct order *o, const struct etcd_kv *kvs, size_t n)
{
	struct batch_head head;

	for (size_t i = 0; i < n; i++) {
		if (slice_eq(kvs[i].key, slice_of(o->keys->head)) && batch_head_read(kvs[i].value, &head))
			order_saw(o, &head);
		else if (slice_eq(kvs[i].key, slice_of(o->keys->config)))
			order_saw_config(o, &kvs[i]);
	}
	take_all(o, kvs, n);
	if (is_behind(o) && !order_is_ahead(o))
		order_look_soon(o);
}
