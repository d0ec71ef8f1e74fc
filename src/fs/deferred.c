#include "fs/deferred.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "fs/mount.h"
#include "fs/reply.h"

struct deferred_item {
	struct deferred_item *next;
	struct commit commit;
	struct mount *mount;
	struct deferred_call call;
	char name[];
};

int deferred_init(struct mount *m)
{
	m->deferred = (struct deferred){.last = &m->deferred.items};
	m->deferred.ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return m->deferred.ready_fd < 0 ? -errno : 0;
}

static struct deferred_item *take(struct mount *m)
{
	struct deferred *d = &m->deferred;

	pthread_mutex_lock(&m->lock);
	struct deferred_item *item = d->items;
	if (item)
		d->items = item->next;
	if (!d->items)
		d->last = &d->items;
	pthread_mutex_unlock(&m->lock);
	return item;
}

void deferred_deinit(struct mount *m)
{
	struct deferred_item *item;

	while ((item = take(m))) {
		reply_error(item->call.req, -ENOTCONN);
		free(item);
	}
	closep(&m->deferred.ready_fd);
}

/* On the commit thread. What became of the lines before is for those who wrote them. */
static void committed(struct commit *commit, int error, size_t stored, const struct log_pos *head)
{
	struct deferred_item *item = container_of(commit, struct deferred_item, commit);
	struct mount *m = item->mount;

	item->next = NULL;
	pthread_mutex_lock(&m->lock);
	*m->deferred.last = item;
	m->deferred.last = &item->next;
	pthread_mutex_unlock(&m->lock);
	m->deferred.due = true;
	(void)!eventfd_write(m->deferred.ready_fd, 1); /* fails only where it counts very far already */
}

bool deferred_until_committed(struct mount *m, const struct deferred_call *call)
{
	size_t len = call->name ? strlen(call->name) + 1 : 0;
	struct deferred_item *item;

	if (m->options.sync == SYNC_WRITE || committer_backlog(m->committer) == 0)
		return false;
	item = malloc(sizeof(*item) + len);
	if (!item)
		return false;
	*item = (struct deferred_item){.commit.done = committed, .mount = m, .call = *call};
	if (call->name)
		item->call.name = memcpy(item->name, call->name, len);
	commit_queue(m->committer, &item->commit);
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
