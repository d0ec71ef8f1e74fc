#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fs/cluster/impl.h"
#include "store/history_sha.h"
#include "store/sha.h"

#define AGAIN_MS 100
#define END_US 3000000 /* for so long who waits may still be answered once it ends */

void cluster_poke(struct cluster *c)
{
	const uint64_t one = 1;

	(void)!write(c->wake_fd, &one, sizeof(one));
}

void cluster_post(struct cluster *c, enum frame_type type, struct slice text)
{
	/* Who comes later is told all anew. */
	if (c->begun && !c->failed)
		frame_add(&c->out, type, text);
}

void cluster_announce(struct cluster *c)
{
	if (!c->ending)
		c->start.arrived(c->start.arg);
}

static bool is_over(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	bool over = c->failed || (c->ending && clock_us() >= c->over_us);
	pthread_mutex_unlock(&c->lock);
	return over;
}

/* What has come so far proves the history so far: nothing is appended meanwhile. */
static void begin(struct cluster *c)
{
	struct batch_head head = {.off = eventlog_head(c->log).off};
	char why[160];

	int r = history_sha(c->log, c->disk, head.off, &c->sha);
	if (r != 0) {
		snprintf(why, sizeof(why), "the history cannot be read: %s",
			 r > 0 ? "it is damaged" : strerrordesc_np(-r));
		return cluster_fail(c, why);
	}
	sha_text(&c->sha, head.sha);
	c->head = head;
	pthread_mutex_lock(&c->lock);
	c->delivered = head;
	c->begun = true;
	pthread_cond_signal(&c->arrived);
	pthread_mutex_unlock(&c->lock);
}

static void agent_is_gone(struct cluster *c)
{
	cluster_link_stop(c);
	again_later(&c->again, AGAIN_MS);
	pthread_mutex_lock(&c->lock);
	bool was = c->failed || c->status.stage == CLUSTER_AWAY;
	if (!was) {
		c->status.stage = CLUSTER_AWAY;
		snprintf(c->status.why, sizeof(c->status.why), "eventfold-cluster has ended");
	}
	c->status.agent = 0;
	pthread_mutex_unlock(&c->lock);
	c->start.changed(c->start.arg);
}

/* Before that nobody knows whether appends are decided as elsewhere. */
static bool has_config(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	bool has = c->config[0];
	pthread_mutex_unlock(&c->lock);
	return has;
}

static void start_agent(struct cluster *c)
{
	if (again_waits(&c->again))
		return;
	int r = cluster_link_start(c);
	if (r == 0)
		return c->start.changed(c->start.arg);
	pthread_mutex_lock(&c->lock);
	c->status.stage = CLUSTER_AWAY;
	snprintf(c->status.why, sizeof(c->status.why), "%.180s cannot be started: %s", c->agent_path,
		 strerrordesc_np(-r));
	pthread_mutex_unlock(&c->lock);
	agent_is_gone(c);
}

/* Is there anything to be sent? */
static bool has_to_send(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	bool some = c->out.len > 0;
	pthread_mutex_unlock(&c->lock);
	return some;
}

static int wait_ms(struct cluster *c)
{
	uint64_t at = CLOCK_FOREVER;

	pthread_mutex_lock(&c->lock);
	if (c->ending)
		at = c->over_us / 1000 + 1;
	pthread_mutex_unlock(&c->lock);
	if (c->socket < 0)
		again_first(&c->again, &at);
	return clock_poll_ms(at);
}

static void turn(struct cluster *c)
{
	struct pollfd fds[] = {{.fd = c->wake_fd, .events = POLLIN}, {.fd = c->socket, .events = POLLIN}};
	uint64_t n;
	int r = 0;

	if (c->socket >= 0 && has_to_send(c))
		fds[1].events |= POLLOUT;
	if (poll(fds, countof(fds), wait_ms(c)) <= 0)
		return;
	if (fds[0].revents)
		(void)!read(c->wake_fd, &n, sizeof(n));
	if (c->socket >= 0)
		r = cluster_link_send(c);
	/* Its last word may be there, though it is gone. */
	if (c->socket >= 0 && fds[1].revents & (POLLIN | POLLHUP | POLLERR))
		r = cluster_link_receive(c);
	if (r < 0)
		agent_is_gone(c);
}

static void *cluster_thread(void *arg)
{
	struct cluster *c = arg;

	while (!has_config(c) && !is_over(c))
		turn(c);
	if (has_config(c))
		begin(c);
	while (!is_over(c)) {
		if (c->socket < 0)
			start_agent(c);
		turn(c);
	}
	cluster_link_stop(c);
	cluster_end_asks(c);
	pthread_mutex_lock(&c->lock);
	c->status.agent = 0;
	cluster_announce(c);
	pthread_cond_broadcast(&c->arrived);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int cluster_start(struct cluster **ret, struct eventlog *log, struct disk *disk,
		  const struct cluster_start *start, struct diag *diag)
{
	struct cluster *c = calloc(1, sizeof(*c));

	if (!c)
		return diag_set(diag, -ENOMEM, "out of memory");
	c->log = log;
	c->disk = disk;
	c->start = *start;
	c->socket = -1;
	c->last = &c->first;
	c->data = strdup(start->data);
	c->agent_path = strdup(start->agent_path);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&c->lock, NULL);
	clock_cond_init(&c->arrived);
	int r = !c->data || !c->agent_path ? -ENOMEM : c->wake_fd < 0 ? -errno : 0;
	if (r < 0)
		(void)!diag_set(diag, r, "cannot prepare the cluster: %s", strerror(-r));
	else
		r = cluster_identify(c, diag);
	if (r == 0) {
		r = -pthread_create(&c->thread, NULL, cluster_thread, c);
		c->started = r == 0;
		if (r < 0)
			(void)!diag_set(diag, r, "cannot start a thread: %s", strerror(-r));
	}
	if (r < 0)
		cluster_free(c);
	else
		*ret = c;
	return r;
}

void cluster_end(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	c->over_us = clock_us() + (c->proposed ? END_US : 0);
	pthread_cond_broadcast(&c->arrived);
	pthread_mutex_unlock(&c->lock);
	cluster_poke(c);
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	if (c->started) {
		pthread_mutex_lock(&c->lock);
		c->ending = true;
		c->over_us = 0;
		pthread_mutex_unlock(&c->lock);
		cluster_poke(c);
		pthread_join(c->thread, NULL);
	}
	for (struct arrival *a = c->first, *next; a; a = next) {
		next = a->next;
		cluster_arrival_deinit(&a->is);
		free(a);
	}
	cluster_members_free(c->members, c->n_members);
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	buf_deinit(&c->proposal);
	buf_deinit(&c->lines);
	closep(&c->wake_fd);
	pthread_cond_destroy(&c->arrived);
	pthread_mutex_destroy(&c->lock);
	free(c->data);
	free(c->agent_path);
	free(c->host);
	free(c);
}

void cluster_set_config(struct cluster *c, const char *config)
{
	char text[BATCH_SHA + 32];

	int len = snprintf(text, sizeof(text), "{\"config\":\"%.64s\"}", config);
	pthread_mutex_lock(&c->lock);
	bool same = strcmp(c->config, config) == 0;
	if (!same) {
		snprintf(c->config, sizeof(c->config), "%s", config);
		cluster_post(c, FRAME_CONFIG, (struct slice){text, (size_t)len});
	}
	pthread_mutex_unlock(&c->lock);
	if (!same)
		cluster_poke(c);
}

void cluster_status(struct cluster *c, struct cluster_status *ret)
{
	pthread_mutex_lock(&c->lock);
	*ret = c->status;
	if (!ret->why[0])
		snprintf(ret->why, sizeof(ret->why), "%s", c->held);
	memcpy(ret->machine, c->machine, sizeof(ret->machine));
	pthread_mutex_unlock(&c->lock);
}
