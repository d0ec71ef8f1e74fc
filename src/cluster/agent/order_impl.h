/* What the parts of the order have in common. */
#pragma once

#include "cluster/agent/order.h"

#define ORDER_PAUSE_MS 1000

/* Pauses between tries grow up to that. */
static inline uint64_t order_pause(uint64_t last_ms, uint64_t least_ms)
{
	uint64_t pause = max(2 * last_ms, least_ms);

	return min(pause, (uint64_t)ORDER_PAUSE_MS);
}

/* Is there no more room for others' batches until the log has what was delivered? */
bool order_is_ahead(const struct order *o);
/* The engine's head is at least there. */
void order_saw(struct order *o, const struct batch_head *head);
/* A batch that was found under its key: delivered if it is the next. */
void order_take(struct order *o, uint64_t key, struct slice text);
/* The same for one that may begin before our end. */
void order_deliver(struct order *o, const struct cluster_batch *b, struct slice text);
/* The engine's head as it was at a moment when this much was delivered. False: it is over. */
bool order_check_head(struct order *o, const struct etcd_kv *kv, const struct batch_head *delivered,
		      struct batch_head *ret);
void order_saw_config(struct order *o, const struct etcd_kv *kv);

/* What has become of the proposal. */
void order_say_mine(struct order *o);
void order_say_moved(struct order *o);
void order_say_refused(struct order *o, int error, const char *fmt, ...) printf_like(3, 4);
/* Says so if it has moved, and all that was before it is delivered. */
void order_settle(struct order *o);
