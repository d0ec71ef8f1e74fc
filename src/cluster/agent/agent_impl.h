/* The agent's parts. Each has calls of its own under way at the engine, one of a kind at a time, and is asked
 * with each turn of the loop what is due. One thread. */
#pragma once

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "cluster/agent/options.h"
#include "cluster/agent/order.h"
#include "cluster/link/proto.h"

#define CALL_MS 3000 /* for so long an answer is waited for */
#define END_MS 200   /* and for so long at the end */
#define AWAY_MS 3000 /* no answer for so long: the engine is away */

/* Something that is done every so often, one call after the other. */
struct task {
	struct etcd_call *call; /* NULL: none is under way */
	uint64_t at_ms;         /* the next, not before */
};
static inline bool task_is_due(const struct task *t, uint64_t now_ms)
{
	return !t->call && now_ms >= t->at_ms;
}
static inline void task_due_ms(const struct task *t, uint64_t *due_ms)
{
	if (!t->call)
		*due_ms = min(*due_ms, t->at_ms);
}

struct lease {
	struct task task;
	int64_t id;              /* 0: none */
	bool taken;              /* the holder's key is ours, by this lease */
	bool held;               /* it has been */
	uint64_t found_revision; /* at which the key may be taken over; 0: when it is missing */
	uint64_t foreign_ms;     /* since when another machine has been seen to hold it; 0: it does not */
};

struct members {
	struct task look, write;
	struct buf told;            /* what FRAME_MEMBERS said last */
	uint64_t position, writing; /* the own one: in the engine, and as it is being written */
	uint64_t alive_ms;          /* when the same is written again */
	bool by_head; /* to be registered as one that nothing follows; else because what follows is there */
};

struct trim {
	struct task first, old, cut, size;
	uint64_t members_off; /* the least position of a member; UINT64_MAX: it is not known */
	uint64_t window_off;  /* where the window begins; UINT64_MAX: it is not known, or empty */
	uint64_t limit;       /* what is before it is being deleted */
	uint64_t old_limit;   /* how many of the first batches are looked at */
	uint64_t db_bytes;    /* of the engine */
};

struct ask {
	struct ask *next;
	struct etcd_call *call;
	struct agent *agent;
	uint64_t id, at_ms;
	bool tried;                      /* without an answer */
	char machine[BATCH_MACHINE + 1]; /* to be forgotten; empty: agree */
};

struct state {
	struct buf told;
	size_t same; /* of its text: what does not only say how much there is of something */
	uint64_t told_ms;
	uint64_t asked_ms; /* since then no answer has come that a majority stands behind; 0: it has */
	uint64_t full_ms;  /* when there was no room; 0: never */
	char why[200];     /* what was said last that was no answer */
};

struct agent {
	int fd;
	bool ended; /* the socket has */
	int error;  /* what ends the agent; 0: nothing does */
	struct buf in, out;
	size_t out_done; /* of it, sent */
	bool begun;
	struct agent_options options;
	struct keys keys;
	char member_key[KEY_MAX], holder_key[KEY_MAX], holder_value[128];
	struct etcd *etcd;
	struct order order;

	struct etcd_call *look_call, *commit_call, *watch_call;
	bool look_failed;                             /* the last one */
	char look_endpoint[256], watch_endpoint[256]; /* where they were sent */
	struct order_look look;
	struct order_commit commit;
	uint64_t watch_from; /* a revision; 0: none is known yet */
	uint64_t watch_again_ms;
	bool watch_heard; /* of something that was put, since the last look */

	struct task config;
	struct lease lease;
	struct members members;
	struct trim trim;
	struct ask *asks;
	struct state state;
};

/* What each is to be called with after a wait: what time it is. True: the answer is one. */
bool agent_heard(struct agent *a, const struct etcd_answer *answer);
/* No memory for a call: the agent ends, and another one is started. */
struct etcd_call *agent_called(struct agent *a, struct etcd_call *call);
void agent_say(struct agent *a, enum frame_type type, struct buf *text);

/* socket.c */
void socket_read(struct agent *a);
void socket_write(struct agent *a);

/* hear.c: a frame from the daemon. */
int must_check agent_hear(struct agent *a, const struct frame *frame);

/* order's plumbing: engine.c */
void engine_turn(struct agent *a);
uint64_t engine_due_ms(const struct agent *a);

/* lease.c */
void lease_turn(struct agent *a);
void lease_lost(struct agent *a);
void lease_end(struct agent *a);

/* members.c */
uint64_t members_position(struct slice value);
void members_turn(struct agent *a);
/* The own key is gone: it is written again, where that may be. */
void members_forgotten(struct agent *a);
void members_due_ms(const struct agent *a, uint64_t *due_ms);

/* trim.c */
void trim_look(struct agent *a);
void trim_turn(struct agent *a);
void trim_due_ms(const struct agent *a, uint64_t *due_ms);

/* asks.c */
void asks_add(struct agent *a, uint64_t id, const char *machine);
void asks_turn(struct agent *a);
void asks_due_ms(const struct agent *a, uint64_t *due_ms);
void asks_end(struct agent *a);

/* state.c */
void state_turn(struct agent *a);
uint64_t state_due_ms(const struct agent *a);
