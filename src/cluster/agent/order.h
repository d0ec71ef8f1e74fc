/* The order of batches, as it is found out from what the engine says: what is delivered next, and what has
 * become of a proposal. It knows neither a network nor a clock: it is told what was said and what time it
 * is, says what it wants to know, and writes frames for the daemon into a buffer.
 *
 * Four things are relied on:
 *   1. A batch is in the order when the engine's head lies at its end or behind, and it leads on from where
 *      the last one ended. Only then is it delivered; what merely lies there is not.
 *   2. Offsets only grow: where another's batch is at a proposal's place, no duplicate of it enters later.
 *   3. An answer that did not come leaves a proposal undecided, whatever else is known, until a batch is at
 *      its place or a later answer says that there is none and no late duplicate can enter either.
 *   4. Each transaction holds only while the holder's key is at one revision. So what was sent under one
 *      revision can't enter any more as soon as the key has another.
 *
 * One thread. No memory: `out` has failed, and the agent ends. */
#pragma once

#include "base/buf.h"
#include "cluster/agent/keys.h"
#include "cluster/etcd/etcd.h"
#include "cluster/link/batch.h"

#define ORDER_AHEAD (8u << 20) /* bytes at most that are delivered beyond what the log has */
#define ORDER_LOOK_MS 2000     /* the engine's head is looked at so often; watches were known to lose */

enum order_stage {
	ORDER_WAITS,   /* for what was proposed to an agent before this one */
	ORDER_JOINING, /* it is not known yet whether the engine's order leads on from here */
	ORDER_JOINED,
	ORDER_OVER, /* FATAL was said */
};

struct order_proposal {
	char *text;
	struct cluster_batch batch;       /* points into the text */
	char config[BATCH_SHA + 1];       /* by which it was judged */
	bool sent, moved;                 /* under way; another's batch is at its place */
	uint64_t undecided;               /* sent under this revision of the holder, and no answer; 0: none */
	uint64_t not_before_ms, pause_ms; /* of the next try */
	unsigned tries;
};

struct order {
	enum order_stage stage;
	const struct keys *keys;
	struct buf *out;
	uint64_t now_ms;
	char machine[BATCH_MACHINE + 1], boot[BATCH_BOOT + 1];
	char config[BATCH_SHA + 1], engine_config[BATCH_SHA + 1]; /* empty: none */
	struct batch_head delivered, appended;
	struct batch_head seen; /* the engine's, the furthest that is known; an empty sha: none yet */
	uint64_t awaited;       /* the number of the proposal that is waited for; 0: none */
	struct order_proposal *proposal; /* NULL: none */
	uint64_t holder;                 /* the revision of our holder's key; 0: it is not ours */
	bool registered, appended_told;
	bool again_hold;            /* the holder's key is to be written anew, see 4 */
	bool looking, inside;       /* a look is under way; the next one is for the batch around our end */
	unsigned look_tries;        /* in vain */
	uint64_t look_ms, pause_ms; /* the next look is not before; the last pause after one that failed */
	uint64_t batch_bytes;       /* so long are they: how many are asked for */
};

struct order_begin {
	struct batch_head head;
	const char *machine, *boot, *config;
	uint64_t proposed; /* PROPOSE with this number follows, 0: none does */
};
void order_init(struct order *o, const struct order_begin *begin, const struct keys *keys, struct buf *out);
void order_deinit(struct order *o);
/* Comes before everything else. */
static inline void order_time(struct order *o, uint64_t now_ms)
{
	o->now_ms = now_ms;
}
/* When something is wanted again that is not wanted now. */
uint64_t order_due_ms(const struct order *o);

/* From the daemon. -EPROTO: it can't say that. */
int must_check order_propose(struct order *o, struct slice text);
int must_check order_appended(struct order *o, const struct batch_head *head);
void order_set_config(struct order *o, const char *config);

/* A look at the engine: head, config and the batches from `from` on, `limit` of them, as they are at one
 * revision. `inside`: the last batch that begins before `from`, and nothing else. */
struct order_look {
	struct batch_head delivered; /* when it was wanted */
	uint64_t limit;              /* 0: no batches */
	unsigned tries;              /* before this one, where there is much to be had: it may take longer */
	bool inside;
};
struct order_found {
	const struct etcd_kv *head, *config, *holder, *member; /* NULL: there is none */
	const struct etcd_kv *batches;
	size_t n;
	uint64_t position; /* that the member's value tells of; 0: none */
};
/* True: the look is under way from now on, until order_looked(). */
bool order_wants_look(struct order *o, struct order_look *ret);
void order_looked(struct order *o, const struct order_look *look, const struct order_found *found);
void order_look_failed(struct order *o);
/* Something has changed that a look would tell. */
void order_look_soon(struct order *o);
/* What was put in one or more revisions, all of it: batches, head, config. */
void order_watched(struct order *o, const struct etcd_kv *kvs, size_t n);

struct order_commit {
	uint64_t n, holder;
	unsigned tries; /* before this one */
	char config[BATCH_SHA + 1];
	struct batch_head before, after;
	struct slice text; /* until the proposal is decided */
};
/* True: it is under way from now on, until order_committed() or until it is decided otherwise. */
bool order_wants_commit(struct order *o, struct order_commit *ret);
bool order_is_decided(const struct order *o, uint64_t n);
enum order_outcome {
	ORDER_ENTERED,
	ORDER_FAILED,    /* a comparison was not true: found */
	ORDER_UNCERTAIN, /* no answer that says anything */
	ORDER_FULL,      /* the same, for want of room */
	ORDER_TOO_LARGE, /* this try has not entered */
};
void order_committed(struct order *o, const struct order_commit *commit, enum order_outcome outcome,
		     const struct order_found *found);

/* The engine answers again: what waits for its turn to be tried is tried now. */
void order_back(struct order *o);

/* The holder's key is ours at that revision; 0: it is not. */
void order_hold(struct order *o, uint64_t revision);
void order_registered(struct order *o, bool registered);

/* Nothing is appended any more. */
void order_over(struct order *o, const char *fmt, ...) printf_like(2, 3);

static inline bool order_differs(const struct order *o)
{
	return o->engine_config[0] && strcmp(o->engine_config, o->config) != 0;
}
