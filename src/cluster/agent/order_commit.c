#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/agent/order_impl.h"

#define RETRY_MS 20

bool order_wants_commit(struct order *o, struct order_commit *ret)
{
	struct order_proposal *p = o->proposal;

	if (!p || p->sent || p->moved || o->stage != ORDER_JOINED || !o->holder || o->again_hold ||
	    !o->registered || o->now_ms < p->not_before_ms)
		return false;
	if (o->seen.off > o->delivered.off)
		return false; /* it has moved, or is there: what is at its place comes first */
	*ret = (struct order_commit){
	    .n = p->batch.n,
	    .holder = o->holder,
	    .tries = p->tries++,
	    .before = p->batch.before,
	    .after = p->batch.after,
	    .text = {p->text, (size_t)(slice_end(p->batch.lines) - p->text)},
	};
	memcpy(ret->config, p->config, sizeof(ret->config));
	p->sent = true;
	return true;
}

static void try_later(struct order *o, uint64_t least_ms)
{
	struct order_proposal *p = o->proposal;

	p->pause_ms = order_pause(p->pause_ms, least_ms);
	p->not_before_ms = o->now_ms + p->pause_ms;
}

void order_back(struct order *o)
{
	struct order_proposal *p = o->proposal;

	if (p) {
		p->pause_ms = p->not_before_ms = 0;
		p->tries = 0;
	}
}

static bool is_text(const struct etcd_kv *kv, const char *text)
{
	return kv && slice_eq(kv->value, slice_of(text));
}

/* Others decide by other rules. The tries without an answer have to be out of the world before that is said:
 * they would enter should the rules become the same again. */
static void config_is_another(struct order *o, const struct order_commit *c, const struct etcd_kv *config)
{
	struct order_proposal *p = o->proposal;

	if (p->undecided == c->holder) {
		o->again_hold = true;
		try_later(o, RETRY_MS);
	} else if (is_text(config, o->config)) {
		order_say_moved(o); /* we, too, by now: it is judged again */
	} else {
		order_say_refused(o, EPERM,
				  "the rules of this machine are not those of the others (%.12s, not %.12s)",
				  p->config, o->engine_config);
	}
}

/* Nothing has come before it, and still it has not entered. */
static void is_kept_out(struct order *o, const struct order_commit *c, const struct order_found *found)
{
	if (!found->holder || found->holder->modified != c->holder) {
		if (o->holder == c->holder)
			o->holder = 0;
		try_later(o, RETRY_MS);
	} else if (!found->member) {
		o->registered = false;
		try_later(o, RETRY_MS);
	} else if (found->config && !is_text(found->config, c->config)) {
		config_is_another(o, c, found->config);
	} else {
		try_later(o, RETRY_MS); /* there is no config yet, or the answer makes no sense */
	}
}

static void has_failed(struct order *o, const struct order_commit *c, const struct order_found *found)
{
	struct batch_head head;
	uint64_t off;

	if (!order_check_head(o, found->head, &c->before, &head))
		return;
	order_saw(o, &head);
	order_saw_config(o, found->config);
	if (head.off == c->before.off) {
		is_kept_out(o, c, found);
		return;
	}
	if (o->proposal->moved)
		return;
	if (found->n == 0 || !keys_batch_read(o->keys, found->batches[0].key, &off)) {
		order_over(
		    o,
		    "the engine has gone on to %llu and no longer keeps what follows %llu: this machine was "
		    "forgotten meanwhile",
		    (unsigned long long)head.off, (unsigned long long)c->before.off);
	} else {
		order_take(o, off, found->batches[0].value);
	}
	if (o->seen.off > o->delivered.off)
		order_look_soon(o);
}

void order_committed(struct order *o, const struct order_commit *c, enum order_outcome outcome,
		     const struct order_found *found)
{
	struct order_proposal *p = o->proposal;

	if (o->stage == ORDER_OVER || order_is_decided(o, c->n))
		return;
	p->sent = false;
	if (outcome == ORDER_TOO_LARGE && !p->undecided) {
		order_say_refused(o, EMSGSIZE, "the engine takes no request as large as this");
		return;
	}
	switch (outcome) {
	case ORDER_ENTERED:
		if (batch_head_is(&o->delivered, &c->before))
			order_say_mine(o);
		else
			order_over(o, "the engine says that two batches follow %llu",
				   (unsigned long long)c->before.off);
		break;
	case ORDER_FAILED:
		has_failed(o, c, found);
		break;
	case ORDER_FULL:
		p->undecided = c->holder;
		try_later(o, ORDER_PAUSE_MS);
		break;
	case ORDER_UNCERTAIN:
	case ORDER_TOO_LARGE:
		p->undecided = c->holder;
		try_later(o, RETRY_MS);
		break;
	}
}
