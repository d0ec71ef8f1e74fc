#include "model/views/crew.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "model/views/member.h"

#define STOP_MS 1000      /* how long a worker may take to leave */
#define START_PAUSE_MS 50 /* before one that could not be started is tried again; it grows */
#define EMPTY_MS 10000    /* so long the rebuild worker stays without work */
#define PACKETS_MAX 1000
#define DEATHS_MS 10000 /* as many deaths as are remembered in this time: then the next start waits */
#define RESTART_PAUSE_MS 1000

int crew_init(struct crew *c, const struct crew_options *options)
{
	*c = (struct crew){.options = *options};
	pthread_mutex_init(&c->lock, NULL);
	c->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return c->alarm_fd < 0 ? -errno : 0;
}

void crew_deinit(struct crew *c)
{
	closep(&c->alarm_fd);
	pthread_mutex_destroy(&c->lock);
}

void crew_watch(struct crew *c)
{
	if (!atomic_load(&c->watching) && !atomic_exchange(&c->watching, true))
		c->options.wake(c->options.arg);
}

void crew_status(struct crew *c, struct crew_status *ret)
{
	pthread_mutex_lock(&c->lock);
	*ret = (struct crew_status){c->pids[MAIN], c->pids[REBUILD], c->restarts, c->waits_for};
	pthread_mutex_unlock(&c->lock);
}

static void set(struct crew *c, unsigned which, struct worker_handle *h)
{
	pthread_mutex_lock(&c->lock);
	c->workers[which] = h;
	c->pids[which] = h ? h->pid : 0;
	pthread_mutex_unlock(&c->lock);
}

void crew_waits_for(struct crew *c, const char *why)
{
	pthread_mutex_lock(&c->lock);
	diag_set(&c->waits_for, 0, "%s", why);
	pthread_mutex_unlock(&c->lock);
}

int crew_start(struct crew *c, unsigned which, struct diag *why)
{
	struct worker_limits limits = c->options.limits;
	struct worker_handle *h;

	limits.apart = which == REBUILD;
	int r = member_start(&h, &limits, c->options.log, eventlog_head(c->options.log).off, why);
	if (r < 0)
		return r;
	h->place = which;
	c->publish[which] = (struct again){0};
	set(c, which, h);
	crew_watch(c);
	return 0;
}

/* What one lacked can be had again, so the others need not wait to the end of their pauses. */
static void hurry_others(struct crew *c)
{
	bool any = false;

	for (unsigned i = 0; i < WORKERS; i++) {
		if (!c->starts[i].tries || !c->restart_ms[i])
			continue;
		c->restart_ms[i] = 0;
		any = true;
	}
	if (any)
		c->options.wake(c->options.arg);
}

int crew_restart(struct crew *c, unsigned which, struct diag *why, bool *ret_new)
{
	if (c->restart_ms[which] <= clock_ms())
		c->restart_ms[which] = 0;
	if (c->workers[which] || c->restart_ms[which])
		return 1;
	int r = crew_start(c, which, why);
	if (r == 0) {
		c->starts[which] = (struct again){0};
		c->unstarted.text[0] = '\0';
		crew_waits_for(c, "");
		hurry_others(c);
		return 0;
	}
	*ret_new = strcmp(c->unstarted.text, why->text) != 0;
	c->unstarted = *why;
	crew_waits_for(c, why->text);
	again_later(&c->starts[which], START_PAUSE_MS);
	c->restart_ms[which] = c->starts[which].at_ms;
	return r;
}

bool crew_send(struct worker_handle *h, const struct message *m, struct slice text, const int *fds,
	       unsigned n_fds)
{
	int r = worker_handle_send(h, m, text, fds, n_fds);

	if (r == -EAGAIN)
		h->full = true;
	return r == 0;
}

void crew_end(struct worker_handle *h)
{
	h->stopping = crew_send(h, &(struct message){.type = MSG_STOP}, (struct slice){0}, NULL, 0);
}

void crew_dismiss(struct crew *c, const bool needed[static WORKERS])
{
	struct worker_handle *rebuild = c->workers[REBUILD];
	uint64_t now = clock_ms();

	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker_handle *h = c->workers[i];
		if (c->restart_ms[i] <= now)
			c->restart_ms[i] = 0;
		if (i >= SOLO && h && !needed[i] && !h->stopping)
			crew_end(h);
	}
	if (needed[REBUILD] || !rebuild || rebuild->stopping) {
		c->empty_ms = 0;
		return;
	}
	if (!c->empty_ms)
		c->empty_ms = now;
	if (now - c->empty_ms >= EMPTY_MS)
		crew_end(rebuild);
}

bool crew_is_alive(const struct crew *c, const struct worker_handle *h)
{
	return h && c->workers[h->place] == h;
}

bool crew_is_idle(const struct crew *c)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (c->workers[i] && (c->workers[i]->renew_ms || !worker_handle_idle(c->workers[i])))
			return false;
	return true;
}

/* Any of them: they have the same limits. */
static struct worker_handle *any_worker(const struct crew *c)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (c->workers[i])
			return c->workers[i];
	return NULL;
}

static bool is_look_due(const struct crew *c, uint64_t now)
{
	struct worker_handle *any = any_worker(c);

	return atomic_load(&c->watching) && any && now - c->watch_ms >= worker_handle_tick(any);
}

void crew_look(struct crew *c, void look(void *arg, struct worker_handle *h), void *arg)
{
	uint64_t now = clock_ms();

	if (!is_look_due(c, now))
		return;
	c->watch_ms = now;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker_handle *h = c->workers[i];
		if (!h)
			continue;
		/* One that has done its work between two looks has grown by it all the same. */
		if (!h->renew_ms && worker_handle_idle(h))
			worker_handle_measure(h);
		else
			worker_handle_watch(h);
		look(arg, h);
	}
	if (!crew_is_idle(c))
		return;
	/* Whoever has something for one sends it, or moves the head, first, and looks at `watching` then: one
	 * of us sees the other. */
	atomic_store(&c->watching, false);
	if (!crew_is_idle(c))
		atomic_store(&c->watching, true);
}

static void receive(struct crew *c, struct worker_handle *h)
{
	struct packet p;

	/* However much it says, the others have their turn, too. */
	for (unsigned i = 0; i < PACKETS_MAX && proto_receive(h->socket, &h->in, &p) == 0; i++) {
		c->options.said(c->options.arg, h, &p);
		packet_deinit(&p);
	}
}

/* What has happened to one worker: its process (fds[0]) and its socket (fds[1]). */
static void handle_events(struct crew *c, unsigned which, struct pollfd *fds)
{
	struct worker_handle *h = c->workers[which];

	if (fds[1].revents & POLLIN)
		receive(c, h);
	if (fds[0].revents) {
		receive(c, h); /* its last words */
		c->options.ended(c->options.arg, which);
	} else if ((fds[1].revents & (POLLHUP | POLLERR)) && !(fds[1].revents & POLLIN)) {
		if (!h->stopping)
			worker_handle_kill(h, BLAME_UNKNOWN, "closed its socket");
		poll(fds, 1, STOP_MS);
	}
}

void crew_wait(struct crew *c, int fd, uint64_t wake_ms)
{
	/* The owner's own, the alarm, and two for each worker that there is. */
	struct pollfd fds[2 + 2 * WORKERS] = {{.fd = fd, .events = POLLIN},
					      {.fd = c->alarm_fd, .events = POLLIN}};
	struct pollfd *of_workers = fds + 2;
	unsigned which[WORKERS], n = 0;
	uint64_t kicks;

	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker_handle *h = c->workers[i];
		if (!h)
			continue;
		of_workers[2 * n] = (struct pollfd){.fd = h->pidfd, .events = POLLIN};
		of_workers[2 * n + 1] =
		    (struct pollfd){.fd = h->socket, .events = h->full ? POLLIN | POLLOUT : POLLIN};
		which[n++] = i;
	}
	if (poll(fds, 2 + 2 * n, clock_poll_ms(wake_ms)) < 0)
		return;
	if (fds[0].revents) {
		ssize_t got = read(fd, &kicks, sizeof(kicks));
		(void)got; /* it does not block, and says nothing */
	}
	if (fds[1].revents)
		crew_take_alarm(c);
	for (unsigned i = 0; i < n; i++)
		handle_events(c, which[i], &of_workers[2 * i]);
}

uint64_t crew_wake_time(const struct crew *c, bool ends)
{
	uint64_t wake = CLOCK_FOREVER;
	const struct worker_handle *any = any_worker(c);

	/* Also one whose pause has ended since crew_restart() looked. */
	for (unsigned i = 0; i < WORKERS && !ends; i++)
		if (!c->workers[i] && c->restart_ms[i])
			wake = min(wake, c->restart_ms[i]);
	if (atomic_load(&c->watching) && any)
		wake = min(wake, c->watch_ms + worker_handle_tick(any));
	if (c->empty_ms && c->workers[REBUILD] && !c->workers[REBUILD]->stopping)
		wake = min(wake, c->empty_ms + EMPTY_MS);
	for (unsigned i = 0; i < WORKERS; i++)
		if (c->workers[i] && c->publish[i].at_ms)
			wake = min(wake, c->publish[i].at_ms);
	return wake;
}

struct worker_handle *crew_reap(struct crew *c, unsigned which, struct worker_end *ret)
{
	struct worker_handle *h = c->workers[which];

	worker_handle_reap(h, ret);
	if (h->stopping)
		ret->blame = BLAME_OUTSIDE;
	set(c, which, NULL);
	pthread_mutex_lock(&c->lock);
	c->restarts += !h->stopping;
	pthread_mutex_unlock(&c->lock);
	c->publish[which] = (struct again){0};
	return h;
}

void crew_note_death(struct crew *c, unsigned which)
{
	uint64_t now = clock_ms(), oldest = c->deaths_ms[0];

	memmove(c->deaths_ms, c->deaths_ms + 1, sizeof(c->deaths_ms) - sizeof(c->deaths_ms[0]));
	c->deaths_ms[countof(c->deaths_ms) - 1] = now;
	if (oldest && now - oldest < DEATHS_MS)
		c->restart_ms[which] = now + RESTART_PAUSE_MS;
}

static void stop(struct crew *c, unsigned which)
{
	const struct message stop = {.type = MSG_STOP};
	struct worker_handle *h = c->workers[which];
	struct worker_end end;

	if (!h)
		return;
	struct pollfd fd = {.fd = h->pidfd, .events = POLLIN};
	if (worker_handle_send(h, &stop, (struct slice){0}, NULL, 0) < 0 || poll(&fd, 1, STOP_MS) != 1)
		worker_handle_kill(h, BLAME_OUTSIDE, "did not stop");
	worker_handle_reap(h, &end);
	set(c, which, NULL);
	worker_handle_unref(h);
}

void crew_stop(struct crew *c)
{
	for (unsigned i = 0; i < WORKERS; i++)
		stop(c, i);
}
