/* A command's talk with the engine: one question after the other, each waited for. */
#pragma once

#include "cluster/agent/keys.h"
#include "cluster/etcd/etcd.h"
#include "cluster/link/args.h"

struct talk {
	struct cluster_options options;
	struct keys keys;
	struct etcd *etcd;
	bool repeated; /* the last one was asked more than once: it may have been done by an earlier time */
	struct diag why;

	/* Private. */
	etcd_done *read;
	void *arg;
	enum etcd_result result;
	bool answered;
};

/* `options` as behind -o; its words are cut apart, and used until the end. False: why has been said. */
bool talk_begin(struct talk *t, char *options);
void talk_end(struct talk *t);

/* `read` is called with the answer, once, if there is one. False: there is none, and it has been said. What
 * is uncertain is asked again, for some time. */
bool talk_txn(struct talk *t, const struct etcd_txn *txn, etcd_done *read, void *arg);
/* How the member that is spoken to is, and what is wrong with all; it need not be known. */
bool talk_status(struct talk *t, etcd_done *read, void *arg);
bool talk_alarms(struct talk *t, etcd_done *read, void *arg);
