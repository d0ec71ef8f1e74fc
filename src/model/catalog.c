#include "model/catalog_impl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "base/clock.h"

#define LOOK_MS                                                                                              \
	30 /* after a change that nobody has asked for: an editor or a shell may not be through with it */
/* In a wait's `after`, which else is the job that has to be over. */
#define FRESH UINT64_MAX
#define LOOKED_FOR (UINT64_MAX - 1)
#define READ_PAUSE_MS 100 /* before a file that could not be read is tried again */

/* Where the name is, or would be. */
static size_t place_of(struct catalog *c, const char *name, bool *ret_found)
{
	size_t low = 0, high = c->n_known;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(c->known[middle]->name, name);
		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct known *catalog_find(struct catalog *c, const char *name)
{
	bool found;
	size_t place = place_of(c, name, &found);

	return found ? c->known[place] : NULL;
}

/* Under the lock; NULL: no memory. */
static struct known *insert(struct catalog *c, const char *name)
{
	bool found;

	if (c->n_known == c->cap_known) {
		size_t cap = c->cap_known ? 2 * c->cap_known : 16;
		struct known **known = realloc(c->known, cap * sizeof(struct known *));
		if (!known)
			return NULL;
		c->known = known;
		c->cap_known = cap;
	}
	struct known *k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	snprintf(k->name, sizeof(k->name), "%s", name);
	size_t place = place_of(c, name, &found);
	memmove(c->known + place + 1, c->known + place, (c->n_known - place) * sizeof(struct known *));
	c->known[place] = k;
	c->n_known++;
	return k;
}

static void erase(struct catalog *c, struct known *k)
{
	bool found;
	size_t place = place_of(c, k->name, &found);

	c->n_known--;
	memmove(c->known + place, c->known + place + 1, (c->n_known - place) * sizeof(struct known *));
	free(k);
}

void catalog_put(struct catalog *c, const char *name, struct definition *def)
{
	struct definition *old = NULL;

	pthread_mutex_lock(&c->lock);
	struct known *k = catalog_find(c, name);
	if (!k && def)
		k = insert(c, name);
	bool lost = !k && def, same = (!k && !def) || (k && k->def == def), left = k && def;
	if (k) {
		old = k->def;
		k->def = def;
		k->again.at_ms = 0;
		if (!def)
			erase(c, k);
		else if (def->passing)
			again_later(&k->again, READ_PAUSE_MS);
		else if (!k->doubted)
			k->again.pause_ms = 0;
	}
	pthread_mutex_unlock(&c->lock);
	if (lost) {
		c->options.report(c->options.arg,
				  "a reducer could not be looked at: no memory; it is tried again");
		again_later(&c->dir_again, READ_PAUSE_MS);
	} else if (!same && c->options.changed(c->options.arg, name, def) < 0 && left) {
		again_later(&k->again, READ_PAUSE_MS);
	}
	definition_unref(lost ? def : old);
}

bool catalog_keeps(const struct known *k, const struct definition *def)
{
	return k && def && def->wanting && !k->def->why.text[0];
}

void catalog_doubt(struct catalog *c, struct known *k, bool doubted)
{
	pthread_mutex_lock(&c->lock);
	k->doubted = doubted;
	pthread_mutex_unlock(&c->lock);
}

size_t catalog_names(struct catalog *c, char (**ret)[LIMIT_NAME + 1])
{
	size_t n = c->n_known; /* changed by this thread only */

	*ret = malloc(max(n, (size_t)1) * sizeof(**ret));
	for (size_t i = 0; *ret && i < n; i++)
		memcpy((*ret)[i], c->known[i]->name, sizeof(**ret));
	return *ret ? n : 0;
}

/* Under the lock: the definition that has to be looked at, since its target may change unseen; a reference, or NULL. */
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
	/* In this order: what the watch does not tell of any more, the thread has taken, and says so first. */
	if (!catalog_is_quiet(c) || atomic_load(&c->unsettled))
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

static void kick(struct catalog *c)
{
	(void)!eventfd_write(c->kick_fd, 1); /* fails only where it counts very far already */
}

void catalog_wait(struct catalog *c, struct catalog_wait *w)
{
	w->after = 0;
	pthread_mutex_lock(&c->lock);
	w->next = c->incoming;
	c->incoming = w;
	pthread_mutex_unlock(&c->lock);
	kick(c);
}

static bool take_out(struct catalog_wait **at, struct catalog_wait *w)
{
	for (; *at; at = &(*at)->next) {
		if (*at != w)
			continue;
		*at = w->next;
		return true;
	}
	return false;
}

bool catalog_cancel(struct catalog *c, struct catalog_wait *w)
{
	pthread_mutex_lock(&c->lock);
	bool found = take_out(&c->incoming, w) || take_out(&c->waits, w);
	pthread_mutex_unlock(&c->lock);
	return found;
}

void catalog_wait_longer(struct catalog *c, bool all)
{
	pthread_mutex_lock(&c->lock);
	for (struct catalog_wait *w = c->waits; w; w = w->next)
		if (all || w->name[0])
			w->after = c->last_id;
	pthread_mutex_unlock(&c->lock);
}

/* What they have come for, where that is a link: of what it leads to no watch tells. */
static void look_at_link(struct catalog *c, const char *name)
{
	struct known *k = catalog_find(c, name);

	if (k && k->def->link && !k->doubted)
		catalog_look(c, name, false);
}

/* Of those who have come, the next one whose definition is to be looked at; the others wait for what is under way now. */
static bool next_fresh(struct catalog *c, char *ret_name)
{
	struct catalog_wait *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (struct catalog_wait *w = c->waits; w; w = w->next) {
		if (w->after == FRESH && !w->name[0])
			w->after = c->last_list_id;
		else if (w->after == FRESH && !found)
			found = w;
	}
	if (found) {
		memcpy(ret_name, found->name, sizeof(found->name));
		found->after = LOOKED_FOR;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* Takes those who have come, once what they wait for has been looked at or is under way. */
static void take_waits(struct catalog *c)
{
	struct catalog_wait *fresh = NULL;
	char name[LIMIT_NAME + 1];

	pthread_mutex_lock(&c->lock);
	for (struct catalog_wait *w; (w = c->incoming);) {
		c->incoming = w->next;
		w->next = c->waits;
		c->waits = w;
		w->after = FRESH;
		fresh = w;
	}
	pthread_mutex_unlock(&c->lock);
	catalog_look_around(c, fresh);
	while (next_fresh(c, name)) {
		look_at_link(c, name);
		pthread_mutex_lock(&c->lock);
		for (struct catalog_wait *w = c->waits; w; w = w->next)
			if (w->after == LOOKED_FOR)
				w->after = c->last_id;
		pthread_mutex_unlock(&c->lock);
	}
}

/* Those whose looks are over; all of them at the end. */
static void finish_waits(struct catalog *c, bool all)
{
	struct catalog_wait *done = NULL;

	pthread_mutex_lock(&c->lock);
	for (struct catalog_wait **lists[] = {&c->waits, &c->incoming}, ***l = lists;
	     l < lists + (all ? 2 : 1); l++) {
		for (struct catalog_wait **at = *l; *at;) {
			struct catalog_wait *w = *at;
			if (!all && w->after > c->done_id) {
				at = &w->next;
				continue;
			}
			*at = w->next;
			w->next = done;
			done = w;
		}
	}
	pthread_mutex_unlock(&c->lock);
	while (done) {
		struct catalog_wait *w = done;
		done = w->next;
		w->done(w);
	}
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
		atomic_store(&c->unsettled, true);
		take_waits(c);
		atomic_store(&c->unsettled, false);
	}
	look_again(c);
	far_turn(c);
	finish_waits(c, false);
}

static int timeout_of(struct catalog *c)
{
	uint64_t now = clock_ms(), wake = far_wake_time(c);

	if (c->look_ms)
		wake = min(wake, c->look_ms);
	if (c->dir_again.at_ms && !c->dir_doubted)
		wake = min(wake, c->dir_again.at_ms);
	for (size_t i = 0; i < c->n_known; i++)
		if (c->known[i]->again.at_ms && !c->known[i]->doubted)
			wake = min(wake, c->known[i]->again.at_ms);
	if (wake == UINT64_MAX)
		return -1;
	return wake > now ? (int)(wake - now) : 0;
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
	finish_waits(c, true);
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
	kick(c);
	pthread_join(c->thread, NULL);
	catalog_free(c);
}
