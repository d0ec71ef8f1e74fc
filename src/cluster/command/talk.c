#include "cluster/command/talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define ANSWER_MS 10000
#define PATIENCE_MS 10000 /* with a question that stays without an answer */
#define PAUSE_MS 200

static bool say(const struct talk *t)
{
	fprintf(stderr, "eventfold: %s\n", t->why.text);
	return false;
}

static int read_options(struct talk *t, char *options)
{
	char *save;

	cluster_args_begin(&t->options);
	for (char *word = strtok_r(options, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		int r = cluster_args_parse(&t->options, word, &t->why);
		if (r <= 0)
			return r < 0 ? r : diag_set(&t->why, -EINVAL, "there is no option '%s'", word);
	}
	int r = cluster_args_check(&t->options, &t->why);
	if (r == 0 && !t->options.urls)
		r = diag_set(&t->why, -EINVAL, "-o cluster=URL+URL+…,log=NAME is wanted");
	return r;
}

bool talk_begin(struct talk *t, char *options)
{
	const struct cluster_options *o = &t->options;

	*t = (struct talk){0};
	int r = read_options(t, options);
	if (r == 0 && !keys_init(&t->keys, o->log))
		r = diag_set(&t->why, -EINVAL, "log=%s: there can be no such name", o->log);
	if (r == 0)
		r = etcd_new(&t->etcd,
			     &(struct etcd_options){.urls = o->urls,
						    .ca = o->ca,
						    .cert = o->cert,
						    .key = o->key,
						    .user = o->user,
						    .password_file = o->password_file},
			     &t->why);
	if (r == 0)
		return true;
	talk_end(t);
	return say(t);
}

void talk_end(struct talk *t)
{
	etcd_free(take_ptr(t->etcd));
	cluster_args_deinit(&t->options);
}

static void answered(void *arg, const struct etcd_answer *a)
{
	struct talk *t = arg;

	t->answered = true;
	t->result = a->result;
	if (a->result == ETCD_OK)
		t->read(t->arg, a);
	else if (a->result == ETCD_FULL)
		diag_set(&t->why, 0, "the engine has no room: see \"etcd's space\" in CLUSTER.md: %s",
			 a->why);
	else if (a->result == ETCD_UNCERTAIN)
		diag_set(&t->why, 0, "the engine does not answer: %s", a->why);
	else
		diag_set(&t->why, 0, "the engine says no: %s", a->why);
}

static void prepare(struct talk *t, etcd_done *read, void *arg)
{
	t->read = read;
	t->arg = arg;
	t->answered = false;
	t->result = ETCD_UNCERTAIN;
}

/* True: it is answered, whatever the answer. */
static bool wait(struct talk *t, const struct etcd_call *call)
{
	if (!call)
		diag_set(&t->why, 0, "no memory");
	while (call && !t->answered) {
		if (etcd_wait(t->etcd, NULL, 0, -1) < 0) {
			diag_set(&t->why, 0, "no memory");
			break;
		}
	}
	return t->answered;
}

bool talk_txn(struct talk *t, const struct etcd_txn *txn, etcd_done *read, void *arg)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	for (t->repeated = false;; t->repeated = true) {
		prepare(t, read, arg);
		if (!wait(t, etcd_txn_send(t->etcd, txn, ANSWER_MS, answered, t)))
			return say(t);
		if (t->result != ETCD_UNCERTAIN || clock_ms() >= end)
			return t->result == ETCD_OK || say(t);
		poll(NULL, 0, PAUSE_MS);
	}
}

bool talk_status(struct talk *t, etcd_done *read, void *arg)
{
	prepare(t, read, arg);
	return wait(t, etcd_status(t->etcd, ANSWER_MS, answered, t)) && t->result == ETCD_OK;
}

bool talk_alarms(struct talk *t, etcd_done *read, void *arg)
{
	prepare(t, read, arg);
	return wait(t, etcd_alarms(t->etcd, ANSWER_MS, answered, t)) && t->result == ETCD_OK;
}
