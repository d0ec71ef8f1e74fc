/* What the files of the cluster's daemon side share. Private to them. */
#pragma once

#include <nettle/sha2.h>

#include "base/again.h"
#include "cluster/link/json.h"
#include "cluster/link/proto.h"
#include "fs/cluster/cluster.h"

struct arrival {
	struct arrival *next;
	struct cluster_arrival is;
};

struct cluster {
	struct eventlog *log;
	struct disk *disk;
	struct cluster_start start; /* its strings are not its own, but for these: */
	char *data, *agent_path, *host;
	char machine[BATCH_MACHINE + 1], boot[BATCH_BOOT + 1], kernel[64];
	pthread_t thread;
	bool started;
	int wake_fd; /* an eventfd: there is something to send, or to end */

	/* The cluster thread's own. */
	int socket; /* -1: there is no agent */
	struct buf in;
	size_t in_done; /* so much of it has been taken */
	struct again again;

	/* The commit thread's own, once something has arrived. */
	struct sha256_ctx sha, sha_proposed; /* of history up to the last arrival; and behind the proposal */
	struct batch_head head, appended;    /* up to the last arrival; and what the agent was told last */
	uint64_t n;                          /* of the last proposal */
	struct buf lines;                    /* its lines */

	pthread_mutex_t lock; /* for all below; nothing is called under it */
	pthread_cond_t arrived;
	struct arrival *first, **last;
	struct batch_head delivered; /* behind the last arrival; valid once `begun` */
	bool begun;                  /* the history's SHA-256 is known */
	struct buf out;              /* to be sent */
	struct buf proposal;         /* a batch */
	uint64_t proposed;           /* its number; 0: nothing is under way */
	char config[BATCH_SHA + 1];  /* empty: not known yet */
	bool ending, failed;
	char held[160];   /* why what has come is not appended for the moment; empty: it is */
	uint64_t over_us; /* when who waits has waited long enough, since it ends */
	struct cluster_status status;
	struct cluster_member *members;
	size_t n_members;
	struct cluster_ask *asks;
	uint64_t last_ask;
};

/* link.c: the agent's end. Cluster thread. */

/* Starts the agent and says all that it has to know. */
int must_check cluster_link_start(struct cluster *c);
void cluster_link_stop(struct cluster *c);
/* Sends what there is to be sent, as far as it goes; -EPIPE: the agent is gone. */
int must_check cluster_link_send(struct cluster *c);
/* Takes in what has come. -EPIPE: the agent is gone; -EPROTO: it says what can't be. */
int must_check cluster_link_receive(struct cluster *c);

/* Any thread, under the lock: to be sent with the next turn. */
void cluster_post(struct cluster *c, enum frame_type type, struct slice text);
/* Under the lock: something has come for the commit thread. If that waits here, c->arrived wakes it. */
void cluster_announce(struct cluster *c);
/* Not under the lock: the cluster thread is to look. */
void cluster_poke(struct cluster *c);

/* news.c: what the agent says. Cluster thread. */
int must_check cluster_hear(struct cluster *c, const struct frame *frame);
/* 0 where there is no such number. */
uint64_t cluster_number(const cJSON *object, const char *key);
/* 0, or an error; -EIO where there is none that can be. */
int cluster_errno(const cJSON *object);
/* Under the lock. */
void cluster_set_failed(struct cluster *c, const char *why);

/* members.c */
void cluster_hear_members(struct cluster *c, struct slice text);

/* asks.c */
void cluster_hear_done(struct cluster *c, struct slice text);
/* Under the lock: all that are waited for, once more. */
void cluster_post_asks(struct cluster *c);
/* They are told -ESHUTDOWN. */
void cluster_end_asks(struct cluster *c);

/* identity.c: who this machine is: its id, of the machine and DATA's path; the kernel's boot; and one of this
 * start. -errno: no such can be had. */
int must_check cluster_identify(struct cluster *c, struct diag *diag);
