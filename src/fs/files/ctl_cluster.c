#include "fs/files/ctl_cluster.h"

#include <errno.h>
#include <stdio.h>

#include "cluster/link/json.h"
#include "fs/reply.h"

/* A command on its way to the agent. */
struct order {
	struct order *next; /* in mount->ctl, as long as somebody waits for it */
	struct cluster_ask ask;
	struct commit turn;
	struct mount *mount;
	fuse_req_t req; /* NULL: it was interrupted, and is answered */
	size_t size;
	char machine[BATCH_MACHINE + 1]; /* empty: to agree */
};

/* Under the lock. NULL: nobody waits with that request any more. */
static struct order *stop_waiting(struct mount *m, fuse_req_t req)
{
	struct order **at = &m->ctl.orders;

	while (*at && (*at)->req != req)
		at = &(*at)->next;
	struct order *o = *at;
	if (o)
		*at = o->next;
	return o;
}

/* Where the agent has it already, it may be done all the same. */
static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;

	pthread_mutex_lock(&m->ctl.lock);
	struct order *o = stop_waiting(m, req);
	if (o)
		o->req = NULL;
	/* Under the lock: who ends it needs that to let go of it. */
	bool found = o, mine = o && cluster_ask_cancel(m->cluster, &o->ask);
	pthread_mutex_unlock(&m->ctl.lock);
	if (mine)
		free(o);
	if (found)
		reply_error(req, -EINTR);
}

static void note_why(const struct order *o, int error, const char *why)
{
	const struct mount *m = o->mount;
	char text[400];

	snprintf(text, sizeof(text), "cluster %s%s: %.300s", o->machine[0] ? "forget " : "agree", o->machine,
		 why ? why : strerrordesc_np(-error));
	if (m->options.report)
		m->options.report(m->options.arg, text);
}

/* On whatever thread it comes to its end. */
static void end(struct order *o, int error, const char *why)
{
	struct mount *m = o->mount;

	pthread_mutex_lock(&m->ctl.lock);
	fuse_req_t req = o->req;
	if (req)
		stop_waiting(m, req);
	pthread_mutex_unlock(&m->ctl.lock);
	if (req && error < 0) {
		note_why(o, error, why);
		reply_error(req, error);
	} else if (req) {
		reply_written(req, o->size);
	}
	free(o);
}

/* On the cluster thread. */
static void answered(struct cluster_ask *ask, int error, const char *why)
{
	end(container_of(ask, struct order, ask), error, why);
}

static bool is_waited_for(struct order *o)
{
	struct mount *m = o->mount;

	pthread_mutex_lock(&m->ctl.lock);
	bool waits = o->req;
	pthread_mutex_unlock(&m->ctl.lock);
	return waits;
}

/* On the commit thread: an edit of a reducer that nobody has appended by since is to be agreed on, too. */
static void turn(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct order *o = container_of(commit, struct order, turn);

	if (!is_waited_for(o))
		return free(o);
	committer_turn(o->mount->committer);
	cluster_ask(o->mount->cluster, &o->ask);
}

static void give(struct mount *m, fuse_req_t req, const char *machine, size_t size)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o)
		return reply_error(req, -ENOMEM);
	*o = (struct order){.ask.done = answered, .turn.done = turn, .mount = m, .req = req, .size = size};
	if (machine) {
		memcpy(o->machine, machine, sizeof(o->machine));
		o->ask.machine = o->machine;
	}
	/* An interrupt comes in on this thread: it is here already, or it will find the request. */
	fuse_req_interrupt_func(req, interrupted, m);
	if (fuse_req_interrupted(req)) {
		free(o);
		return reply_error(req, -EINTR);
	}
	pthread_mutex_lock(&m->ctl.lock);
	o->next = m->ctl.orders;
	m->ctl.orders = o;
	pthread_mutex_unlock(&m->ctl.lock);
	if (machine)
		cluster_ask(m->cluster, &o->ask);
	else
		commit_queue(m->committer, &o->turn);
}

void ctl_cluster(struct mount *m, fuse_req_t req, char *const *words, size_t n, size_t size)
{
	if (m->cluster && n == 1 && strcmp(words[0], "agree") == 0)
		give(m, req, NULL, size);
	else if (m->cluster && n == 2 && strcmp(words[0], "forget") == 0 &&
		 is_digits(words[1], BATCH_MACHINE))
		give(m, req, words[1], size);
	else
		reply_error(req, -EINVAL);
}
