#include "fs/deferred.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "fs/mount.h"
#include "fs/reply.h"

struct deferred_item {
	struct deferred_item *next;
	struct commit commit;     /* what it waits for: this */
	struct catalog_wait look; /* or this */
	struct mount *mount;
	struct deferred_call call;
	char name[];
};

int deferred_init(struct mount *m)
{
	m->deferred = (struct deferred){.last = &m->deferred.items};
	m->deferred.ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->deferred.ready_fd < 0)
		return -errno;
	pthread_mutex_init(&m->deferred.lock, NULL);
	return 0;
}

static struct deferred_item *take(struct mount *m)
{
	struct deferred *d = &m->deferred;

	pthread_mutex_lock(&m->deferred.lock);
	struct deferred_item *item = d->items;
	if (item)
		d->items = item->next;
	if (!d->items)
		d->last = &d->items;
	pthread_mutex_unlock(&m->deferred.lock);
	return item;
}

/* Under the lock. */
static void add_due(struct mount *m, struct deferred_item *item)
{
	item->next = NULL;
	*m->deferred.last = item;
	m->deferred.last = &item->next;
}

static void wake(struct mount *m)
{
	m->deferred.due = true;
	(void)!eventfd_write(m->deferred.ready_fd, 1); /* fails only where it counts very far already */
}

void deferred_deinit(struct mount *m)
{
	struct deferred_item *item;

	if (m->deferred.ready_fd < 0)
		return;
	while ((item = take(m))) {
		reply_error(item->call.req, -ENOTCONN);
		free(item);
	}
	close(m->deferred.ready_fd);
	pthread_mutex_destroy(&m->deferred.lock);
}

/* On the commit thread. What became of the lines before is for those who wrote them. */
static void committed(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct deferred_item *item = container_of(commit, struct deferred_item, commit);
	struct mount *m = item->mount;

	pthread_mutex_lock(&m->deferred.lock);
	add_due(m, item);
	pthread_mutex_unlock(&m->deferred.lock);
	wake(m);
}

static struct deferred_item *new_item(struct mount *m, const struct deferred_call *call)
{
	size_t len = call->name ? strlen(call->name) + 1 : 0;
	struct deferred_item *item = calloc(1, sizeof(*item) + len);

	if (!item)
		return NULL;
	item->mount = m;
	item->call = *call;
	if (call->name)
		item->call.name = memcpy(item->name, call->name, len);
	return item;
}

bool deferred_until_committed(struct mount *m, const struct deferred_call *call)
{
	if (m->options.sync == SYNC_WRITE || m->cluster || committer_backlog(m->committer) == 0)
		return false;
	struct deferred_item *item = new_item(m, call);
	if (!item)
		return false;
	item->commit.done = committed;
	commit_queue(m->committer, &item->commit);
	return true;
}

/* Under the lock: the one that looks for this request, taken out of the list; NULL: none does any more. */
static struct deferred_item *stop_looking(struct mount *m, fuse_req_t req)
{
	for (struct deferred_item **at = &m->deferred.looking; *at; at = &(*at)->next) {
		struct deferred_item *item = *at;
		if (item->call.req != req)
			continue;
		*at = item->next;
		return item;
	}
	return NULL;
}

/* On the catalog's thread. */
static void looked(struct catalog_wait *wait)
{
	struct deferred_item *item = container_of(wait, struct deferred_item, look);
	struct mount *m = item->mount;

	pthread_mutex_lock(&m->deferred.lock);
	stop_looking(m, item->call.req);
	add_due(m, item);
	pthread_mutex_unlock(&m->deferred.lock);
	wake(m);
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;

	pthread_mutex_lock(&m->deferred.lock);
	struct deferred_item *item = stop_looking(m, req);
	/* The catalog calls back without a lock of its own. One that it is about to call back for stays
	 * its. */
	if (item && !views_look_cancel(m->views, &item->look)) {
		item->next = m->deferred.looking;
		m->deferred.looking = item;
		item = NULL;
	}
	pthread_mutex_unlock(&m->deferred.lock);
	if (!item)
		return;
	free(item);
	reply_error(req, -EINTR);
}

bool deferred_until_known(struct mount *m, const struct deferred_call *call, const char *view)
{
	if (call->looked || views_are_current(m->views, view, fuse_req_ctx(call->req)->pid))
		return false;
	struct deferred_item *item = new_item(m, call);
	if (!item)
		return false;
	item->call.looked = true;
	item->look.done = looked;
	snprintf(item->look.name, sizeof(item->look.name), "%s", view ? view : "");
	/* An interrupt comes in on this thread: it is here already, or it will find the request. */
	fuse_req_interrupt_func(call->req, interrupted, m);
	if (fuse_req_interrupted(call->req)) {
		free(item);
		reply_error(call->req, -EINTR);
		return true;
	}
	pthread_mutex_lock(&m->deferred.lock);
	item->next = m->deferred.looking;
	m->deferred.looking = item;
	pthread_mutex_unlock(&m->deferred.lock);
	views_look(m->views, &item->look);
	return true;
}

void deferred_run(struct mount *m)
{
	struct deferred_item *item;
	eventfd_t count;

	m->deferred.due = false;
	(void)!eventfd_read(m->deferred.ready_fd, &count);
	while ((item = take(m))) {
		item->call.run(&item->call);
		free(item);
	}
}
