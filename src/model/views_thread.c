#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "model/views_impl.h"

#define SAVE_AT_END_MS 10000 /* how long the end waits for the last snapshots */
#define STOP_MS 1000         /* and for the worker to leave */
#define START_PAUSE_MS 50    /* before a worker that could not be started is tried again; it grows */
#define PUBLISH_PAUSE_MS 20  /* before a worker that could not be told of the log is told again; it grows */
#define EMPTY_MS 10000       /* so long the rebuild worker stays without work */
#define PACKETS_MAX 1000

/* Where the active log began when the snapshots were last in order: after a rotation that a crash has left half done, they
 * need not be. */
static uint64_t first_begin(struct views *v, const struct worker_handle *h)
{
	struct eventlog_stats stats;

	eventlog_stats(v->log, &stats);
	return stats.rotating ? UINT64_MAX : h->active_begin;
}

static int start_worker(struct views *v, unsigned which, struct diag *why)
{
	const struct worker_limits limits = {
	    .path = v->options.worker_path,
	    .memory = v->options.reduce_memory,
	    .timeout_ms = v->options.reduce_timeout_ms,
	    .blocked_ms = v->options.reduce_blocked_ms,
	    .quiet = v->options.quiet,
	    .apart = which == REBUILD,
	};
	struct worker_handle *h;

	int r = worker_handle_start(&h, &limits, why);
	if (r < 0)
		return r;
	r = worker_handle_publish(h, v->log);
	if (r < 0) {
		struct worker_end end;
		worker_handle_kill(h, BLAME_OUTSIDE, "it could not be told of the log");
		worker_handle_reap(h, &end);
		worker_handle_unref(h);
		return diag_set(why, r, "cannot tell a fold worker of the log: %s", strerror(-r));
	}
	if (which == MAIN && !v->started)
		v->active_begin = first_begin(v, h);
	h->place = which;
	pthread_mutex_lock(&v->lock);
	v->workers[which] = h;
	v->pids[which] = h->pid;
	pthread_mutex_unlock(&v->lock);
	views_watch(v);
	return 0;
}

static bool start_first(struct views *v)
{
	struct diag why = {0};

	int r = start_worker(v, MAIN, &why);
	pthread_mutex_lock(&v->lock);
	v->started = true;
	v->start_result = r;
	v->start_why = why;
	pthread_cond_signal(&v->start_cond);
	pthread_mutex_unlock(&v->lock);
	return r == 0;
}

static void restart(struct views *v, unsigned which)
{
	struct diag why = {0};

	if (v->workers[which] || v->restart_ms[which])
		return;
	if (start_worker(v, which, &why) == 0) {
		v->starts[which] = (struct again){0};
		v->unstarted.text[0] = '\0';
		return views_tell_homeless(v, which, NULL);
	}
	if (strcmp(v->unstarted.text, why.text) != 0)
		views_report(v, "%s; it is tried again", why.text);
	v->unstarted = why;
	views_tell_homeless(v, which, why.text);
	again_later(&v->starts[which], START_PAUSE_MS);
	v->restart_ms[which] = v->starts[which].at_ms;
}

static void end_worker(struct worker_handle *h)
{
	h->stopping = views_send(h, &(struct message){.type = MSG_STOP}, (struct slice){0}, NULL, 0);
}

/* The main worker is always there, the others come and go with what there is to do: the rebuild worker with a delay, since there may be
 * more soon. */
static void keep_workers(struct views *v)
{
	bool needed[WORKERS];

	views_needed(v, needed);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker_handle *h = v->workers[i];
		bool spare = i != MAIN && !needed[i];
		if (v->restart_ms[i] <= clock_ms())
			v->restart_ms[i] = 0;
		if (!spare)
			restart(v, i);
		else if (i != REBUILD && h && !h->stopping)
			end_worker(h);
	}
	struct worker_handle *rebuild = v->workers[REBUILD];
	if (needed[REBUILD] || !rebuild || rebuild->stopping) {
		v->empty_ms = 0;
		return;
	}
	if (!v->empty_ms)
		v->empty_ms = clock_ms();
	if (clock_ms() - v->empty_ms >= EMPTY_MS)
		end_worker(rebuild);
}

/* The next view of which something has to be told, or one that is gone. */
static bool next_change(struct views *v, char *ret_name)
{
	bool any = false;

	pthread_mutex_lock(&v->lock);
	if (v->n_removed > 0) {
		memcpy(ret_name, v->removed[--v->n_removed], LIMIT_NAME + 1);
		any = true;
	}
	for (size_t i = 0; i < v->n_entries && !any; i++) {
		struct entry *e = v->entries[i];
		if (!e->added && e->told_version == e->version)
			continue;
		e->added = false;
		e->told_version = e->version;
		memcpy(ret_name, e->name, LIMIT_NAME + 1);
		any = true;
	}
	pthread_mutex_unlock(&v->lock);
	return any;
}

static void tell_changes(struct views *v)
{
	char name[LIMIT_NAME + 1];

	while (next_change(v, name))
		if (v->options.changed)
			v->options.changed(v->options.arg, name);
}

static void publish_to(struct views *v, unsigned which)
{
	struct worker_handle *h = v->workers[which];
	struct again *again = &v->publish[which];

	if (!h || again_waits(again))
		return;
	int r = worker_handle_publish(h, v->log);
	bool without = r < 0 && r != -EPIPE && r != -EAGAIN;
	if (r == -EAGAIN)
		h->full = true;
	if (!without && !again->tries)
		return;
	pthread_mutex_lock(&v->lock);
	if (without)
		diag_set(&v->waits_for, r, "a fold worker cannot be told of the log: %s", strerror(-r));
	else
		v->waits_for.text[0] = '\0';
	pthread_mutex_unlock(&v->lock);
	if (without)
		again_later(again, PUBLISH_PAUSE_MS);
	else
		*again = (struct again){0};
}

static void publish(struct views *v)
{
	for (unsigned i = 0; i < WORKERS; i++)
		publish_to(v, i);
	if (!v->workers[MAIN] || v->active_begin == v->workers[MAIN]->active_begin)
		return;
	/* The log has been rotated: to those who know the active log only, the snapshots say nothing any more. */
	pthread_mutex_lock(&v->lock);
	v->active_begin = v->workers[MAIN]->active_begin;
	for (size_t i = 0; i < v->n_entries; i++) {
		v->entries[i]->snapshot_off = 0;
		v->entries[i]->save_now = true;
	}
	pthread_mutex_unlock(&v->lock);
}

static bool all_idle(struct views *v)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (v->workers[i] && (v->workers[i]->renew_ms || !worker_handle_idle(v->workers[i])))
			return false;
	return true;
}

/* Any of them: they have the same limits. */
static struct worker_handle *any_worker(struct views *v)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (v->workers[i])
			return v->workers[i];
	return NULL;
}

static bool is_watch_due(struct views *v, uint64_t now)
{
	struct worker_handle *any = any_worker(v);

	return atomic_load(&v->watching) && any && now - v->watch_ms >= worker_handle_tick(any);
}

static void watch(struct views *v)
{
	uint64_t now = clock_ms();

	if (!is_watch_due(v, now))
		return;
	v->watch_ms = now;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker_handle *h = v->workers[i];
		if (!h || (!h->renew_ms && worker_handle_idle(h)))
			continue;
		worker_handle_watch(h);
		if (views_renew(v, h))
			end_worker(h);
	}
	if (!all_idle(v))
		return;
	/* Whoever has something for one sends it, or moves the head, first, and looks at `watching` then: one of us sees the other. */
	atomic_store(&v->watching, false);
	if (!all_idle(v))
		atomic_store(&v->watching, true);
}

static void receive(struct views *v, struct worker_handle *h)
{
	struct packet p;

	/* However much it says, the others have their turn, too. */
	for (unsigned i = 0; i < PACKETS_MAX && proto_receive(h->socket, &h->in, &p) == 0; i++) {
		views_handle(v, h, &p);
		packet_deinit(&p);
	}
}

/* When to go on although nothing happens. */
static uint64_t wake_time(struct views *v)
{
	uint64_t wake = UINT64_MAX;
	struct worker_handle *any = any_worker(v);

	/* Also one whose pause has ended since keep_workers() looked; at the end none is started. */
	for (unsigned i = 0; i < WORKERS && !v->stop_ms; i++)
		if (!v->workers[i] && v->restart_ms[i])
			wake = min(wake, v->restart_ms[i]);
	if (atomic_load(&v->watching) && any)
		wake = min(wake, v->watch_ms + worker_handle_tick(any));
	if (v->empty_ms && v->workers[REBUILD] && !v->workers[REBUILD]->stopping)
		wake = min(wake, v->empty_ms + EMPTY_MS);
	if (v->stop_ms)
		wake = min(wake, v->stop_ms + SAVE_AT_END_MS);
	for (unsigned i = 0; i < WORKERS; i++)
		if (v->workers[i] && v->publish[i].at_ms)
			wake = min(wake, v->publish[i].at_ms);
	return min(wake, views_again_time(v));
}

static int timeout_of(struct views *v)
{
	uint64_t now = clock_ms(), wake = wake_time(v);

	if (wake == UINT64_MAX)
		return -1;
	return wake > now ? (int)(wake - now) : 0;
}

/* What has happened to one worker: its process (fds[0]) and its socket (fds[1]). */
static void handle_events(struct views *v, unsigned which, struct pollfd *fds)
{
	struct worker_handle *h = v->workers[which];

	if (fds[1].revents & POLLIN)
		receive(v, h);
	if (fds[0].revents) {
		receive(v, h); /* its last words */
		views_worker_died(v, which);
	} else if ((fds[1].revents & (POLLHUP | POLLERR)) && !(fds[1].revents & POLLIN)) {
		if (!h->stopping)
			worker_handle_kill(h, BLAME_UNKNOWN, "closed its socket");
		poll(fds, 1, STOP_MS);
	}
}

static void wait_for_events(struct views *v)
{
	/* The thread's own, and two for each worker that there is. */
	struct pollfd fds[1 + 2 * WORKERS] = {{.fd = v->kick_fd, .events = POLLIN}};
	unsigned which[WORKERS], n = 0;
	uint64_t kicks;

	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker_handle *h = v->workers[i];
		if (!h)
			continue;
		fds[1 + 2 * n] = (struct pollfd){.fd = h->pidfd, .events = POLLIN};
		fds[2 + 2 * n] =
		    (struct pollfd){.fd = h->socket, .events = h->full ? POLLIN | POLLOUT : POLLIN};
		which[n++] = i;
	}
	if (poll(fds, 1 + 2 * n, timeout_of(v)) < 0)
		return;
	if (fds[0].revents) {
		ssize_t got = read(v->kick_fd, &kicks, sizeof(kicks));
		(void)got; /* it does not block, and says nothing */
	}
	for (unsigned i = 0; i < n; i++)
		handle_events(v, which[i], &fds[1 + 2 * i]);
}

/* True: nothing is left to be saved, or there is no time. */
static bool is_over(struct views *v)
{
	bool busy = false;

	pthread_mutex_lock(&v->lock);
	bool stopping = v->stopping;
	for (size_t i = 0; stopping && i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		entry_fail(v, e, -ESHUTDOWN);
		if (e->saving == SAVE_RUNS)
			busy = true;
		else if (e->worker && (e->saving == SAVE_ASKED || entry_save_due(v, e)))
			busy = true;
	}
	pthread_mutex_unlock(&v->lock);
	if (!stopping)
		return false;
	if (!v->stop_ms)
		v->stop_ms = clock_ms();
	return !busy || clock_ms() - v->stop_ms >= SAVE_AT_END_MS;
}

static void stop_worker(struct views *v, unsigned which)
{
	const struct message stop = {.type = MSG_STOP};
	struct worker_handle *h = v->workers[which];
	struct worker_end end;

	if (!h)
		return;
	struct pollfd fd = {.fd = h->pidfd, .events = POLLIN};
	if (worker_handle_send(h, &stop, (struct slice){0}, NULL, 0) < 0 || poll(&fd, 1, STOP_MS) != 1)
		worker_handle_kill(h, BLAME_OUTSIDE, "did not stop");
	worker_handle_reap(h, &end);
	pthread_mutex_lock(&v->lock);
	v->workers[which] = NULL;
	v->pids[which] = 0;
	pthread_mutex_unlock(&v->lock);
	worker_handle_unref(h);
}

void *views_thread(void *arg)
{
	struct views *v = arg;

	if (!start_first(v))
		return NULL;
	for (;;) {
		views_call_finished(v);
		v->head = eventlog_head(v->log).off;
		if (!v->stop_ms)
			keep_workers(v);
		publish(v);
		views_dispatch(v);
		if (!all_idle(v))
			atomic_store(&v->watching, true);
		tell_changes(v);
		bool over = is_over(v);
		views_call_finished(v);
		if (over)
			break;
		wait_for_events(v);
		views_call_finished(v);
		watch(v);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		stop_worker(v, i);
	return NULL;
}
