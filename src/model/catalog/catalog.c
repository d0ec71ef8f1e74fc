#include "model/catalog/impl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "base/clock.h"

#define LOOK_MS                                                                                              \
	30 /* after a change that nobody has asked for: an editor or a shell may not be through with it */

/* Under the lock: the definition that has to be looked at, since its target may change unseen; a reference,
 * or NULL. */
static struct definition *must_compare(struct catalog *c, const char *name)
{
	struct known *k = name ? catalog_find(c, name) : NULL;

	return k && k->def->link && !k->doubted ? definition_ref(k->def) : NULL;
}

bool catalog_is_current(struct catalog *c, const char *name, pid_t asker)
{
	struct definition *def = NULL;
	struct reducers_dir *dir = NULL;

	for (unsigned i = 0; i < DESKS; i++)
		if (asker && asker == atomic_load(&c->lookers[i]))
			return true;
	/* In this order: what the watch does not tell of any more, the thread has taken, and says so first.
	 */
	if (!catalog_is_quiet(c) || atomic_load(&c->stirred))
		return false;
	pthread_mutex_lock(&c->lock);
	bool current = c->dir_doubted || c->watched, dir_link = !c->dir_doubted && c->dir_link;
	if (current && !c->dir_doubted) {
		dir = reducers_dir_ref(c->dir);
		def = must_compare(c, name);
	}
	pthread_mutex_unlock(&c->lock);
	if (current && dir_link)
		current = dir && reducers_dir_is_same(c, dir);
	if (current && def)
		current = dir && definition_is_same(dir->fd, def);
	definition_unref(def);
	reducers_dir_unref(dir);
	return current;
}

void catalog_kick(struct catalog *c)
{
	(void)!eventfd_write(c->kick_fd, 1); /* fails only where it counts very far already */
}

/* What could not be read, and is not the back desk's. */
static void look_again(struct catalog *c)
{
	auto_free char(*names)[LIMIT_NAME + 1] = NULL;
	bool any = false;

	for (size_t i = 0; i < c->n_known && !any; i++)
		any = !c->known[i]->doubted && again_is_due(&c->known[i]->again);
	size_t n = any ? catalog_names(c, &names) : 0;
	for (size_t i = 0; i < n; i++) {
		struct known *k = catalog_find(c, names[i]);
		if (k && !k->doubted && again_is_due(&k->again)) {
			k->again.at_ms = 0;
			catalog_look(c, names[i], true);
		}
	}
}

static bool is_due(struct catalog *c)
{
	pthread_mutex_lock(&c->lock);
	bool asked = c->incoming;
	pthread_mutex_unlock(&c->lock);
	return asked || (c->look_ms && clock_ms() >= c->look_ms) ||
	       (!c->dir_doubted && again_is_due(&c->dir_again));
}

static void turn(struct catalog *c)
{
	if (is_due(c)) {
		c->look_ms = 0;
		atomic_store(&c->stirred, true);
		catalog_take_waits(c);
		atomic_store(&c->stirred, false);
	}
	look_again(c);
	far_turn(c);
	catalog_finish_waits(c, false);
}

static int timeout_of(struct catalog *c)
{
	uint64_t wake = far_wake_time(c);

	if (c->look_ms)
		wake = min(wake, c->look_ms);
	if (c->dir_again.at_ms && !c->dir_doubted)
		wake = min(wake, c->dir_again.at_ms);
	for (size_t i = 0; i < c->n_known; i++)
		if (c->known[i]->again.at_ms && !c->known[i]->doubted)
			wake = min(wake, c->known[i]->again.at_ms);
	return clock_poll_ms(wake);
}

static void wait_for_events(struct catalog *c)
{
	struct pollfd fds[2 + DESKS + STUCK_MAX] = {
	    {.fd = c->kick_fd, .events = POLLIN},
	    {.fd = c->look_ms ? -1 : c->inotify, .events = POLLIN},
	};
	nfds_t n = 2;

	for (unsigned i = 0; i < DESKS; i++)
		if (c->desks[i].looker.pid)
			fds[n++] = (struct pollfd){.fd = c->desks[i].looker.socket, .events = POLLIN};
	for (unsigned i = 0; i < c->n_stuck; i++)
		fds[n++] = (struct pollfd){.fd = c->stuck[i].pidfd, .events = POLLIN};
	if (poll(fds, n, timeout_of(c)) < 0)
		return;
	if (fds[0].revents)
		(void)!eventfd_read(c->kick_fd, &(eventfd_t){0});
	if (fds[1].revents)
		c->look_ms = clock_ms() + LOOK_MS;
}

static void *catalog_thread(void *arg)
{
	struct catalog *c = arg;
	bool stop = false;

	while (!stop) {
		turn(c);
		pthread_mutex_lock(&c->lock);
		if (!c->ready && c->done_id == c->last_id) {
			c->ready = true;
			pthread_cond_signal(&c->ready_cond);
		}
		stop = c->stop;
		pthread_mutex_unlock(&c->lock);
		if (!stop)
			wait_for_events(c);
	}
	catalog_finish_waits(c, true);
	far_stop(c);
	return NULL;
}

static void catalog_free(struct catalog *c)
{
	for (size_t i = 0; i < c->n_known; i++) {
		definition_unref(c->known[i]->def);
		free(c->known[i]);
	}
	free(c->known);
	catalog_dir_close(c);
	closep(&c->kick_fd);
	pthread_cond_destroy(&c->ready_cond);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static int start_thread(struct catalog *c)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = -pthread_create(&c->thread, NULL, catalog_thread, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	while (!c->ready)
		pthread_cond_wait(&c->ready_cond, &c->lock);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

int catalog_start(struct catalog **ret, int data_dirfd, const struct catalog_options *options,
		  struct diag *diag)
{
	struct catalog *c = calloc(1, sizeof(*c));

	if (!c)
		return diag_set(diag, -ENOMEM, "no memory");
	c->options = *options;
	c->data_fd = data_dirfd;
	c->inotify = -1;
	c->last_job = &c->jobs;
	c->look_ms = 1; /* at once */
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->ready_cond, NULL);
	c->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = c->kick_fd < 0 ? diag_set(diag, -errno, "no descriptors left") : catalog_dir_open(c, diag);
	if (r == 0) {
		r = start_thread(c);
		if (r < 0)
			diag_set(diag, r, "cannot start a thread: %s", strerror(-r));
	}
	if (r < 0) {
		catalog_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void catalog_stop(struct catalog *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_mutex_unlock(&c->lock);
	catalog_kick(c);
	pthread_join(c->thread, NULL);
	catalog_free(c);
}
