#include "fs/node/posix_lock.h"

#include <errno.h>
#include <fcntl.h>

#include "fs/node/file.h"
#include "fs/reply.h"

#define END_OF_FILE INT64_MAX /* of a lock that has none */
#define LONGEST_CIRCLE 16     /* of owners that wait for each other, that is looked for */

struct posix_wait {
	struct posix_wait *next;
	fuse_req_t req;
	struct range want;
	struct ranges_spare spare;
};

void posix_locks_init(struct posix_locks *t)
{
	*t = (struct posix_locks){0};
	pthread_mutex_init(&t->lock, NULL);
}

void posix_locks_deinit(struct posix_locks *t)
{
	ranges_deinit(&t->held);
	pthread_mutex_destroy(&t->lock);
}

static struct range range_of(const struct file *f, uint64_t owner, const struct flock *lock)
{
	return (struct range){
	    .file = node_main(f->node),
	    .owner = owner,
	    .first = lock->l_start,
	    .last = lock->l_len ? lock->l_start + lock->l_len - 1 : END_OF_FILE,
	    .type = lock->l_type,
	    .pid = lock->l_pid,
	    .handle = f,
	};
}

static void answer(struct posix_wait *w, int error)
{
	reply_error(w->req, error);
	ranges_spare_deinit(&w->spare);
	free(w);
}

/* Under the lock: gives those who wait what they can have by now, and takes them out of the list. A lock to
 * read may take the place of one to write, and so make way for somebody before it. */
static struct posix_wait *grant(struct posix_locks *t)
{
	struct posix_wait **at = &t->waiting, *granted = NULL, **last = &granted;

	while (*at) {
		struct posix_wait *w = *at;
		if (ranges_conflict(&t->held, &w->want)) {
			at = &w->next;
			continue;
		}
		ranges_set(&t->held, &w->want, &w->spare);
		*at = w->next;
		w->next = NULL;
		*last = w;
		last = &w->next;
		if (w->want.type == F_RDLCK)
			at = &t->waiting;
	}
	return granted;
}

static void answer_all(struct posix_wait *first, int error)
{
	for (struct posix_wait *w = first, *next; w; w = next) {
		next = w->next;
		answer(w, error);
	}
}

void posix_lock_test(fuse_req_t req, struct file *f, uint64_t owner, const struct flock *lock)
{
	struct posix_locks *t = &f->mount->posix_locks;
	struct range want = range_of(f, owner, lock);
	struct flock found = *lock;

	found.l_type = F_UNLCK;
	pthread_mutex_lock(&t->lock);
	const struct range *other = ranges_conflict(&t->held, &want);
	if (other)
		found = (struct flock){
		    .l_type = other->type,
		    .l_whence = SEEK_SET,
		    .l_start = other->first,
		    .l_len = other->last == END_OF_FILE ? 0 : other->last - other->first + 1,
		    .l_pid = other->pid,
		};
	pthread_mutex_unlock(&t->lock);
	fuse_reply_lock(req, &found);
}

static const struct range *wanted_by(const struct posix_locks *t, uint64_t owner)
{
	const struct posix_wait *w = t->waiting;

	while (w && w->want.owner != owner)
		w = w->next;
	return w ? &w->want : NULL;
}

/* Under the lock: does whoever is in the way wait himself, at the end of a row of such, for this owner? */
static bool is_circle(const struct posix_locks *t, const struct range *want)
{
	const struct range *next = want;

	for (int i = 0; next && i < LONGEST_CIRCLE; i++) {
		const struct range *other = ranges_conflict(&t->held, next);
		if (other && other->owner == want->owner)
			return true;
		next = other ? wanted_by(t, other->owner) : NULL;
	}
	return false;
}

static void interrupted(fuse_req_t req, void *arg)
{
	struct mount *m = arg;
	struct posix_locks *t = &m->posix_locks;

	pthread_mutex_lock(&t->lock);
	struct posix_wait **at = &t->waiting, *w;
	while (*at && (*at)->req != req)
		at = &(*at)->next;
	w = *at;
	if (w)
		*at = w->next;
	pthread_mutex_unlock(&t->lock);
	if (w)
		answer(w, -EINTR);
}

/* Under the lock. 0: it is to be answered; 1: it waits. */
static int try(struct posix_locks *t, struct posix_wait *w, bool wait)
{
	struct posix_wait **last = &t->waiting;

	if (!ranges_conflict(&t->held, &w->want)) {
		ranges_set(&t->held, &w->want, &w->spare);
		return 0;
	}
	if (!wait)
		return -EAGAIN;
	if (is_circle(t, &w->want))
		return -EDEADLK;
	while (*last)
		last = &(*last)->next;
	*last = w;
	return 1;
}

void posix_lock_set(fuse_req_t req, struct file *f, uint64_t owner, const struct flock *lock, bool wait)
{
	struct posix_locks *t = &f->mount->posix_locks;
	struct posix_wait *w = calloc(1, sizeof(*w));
	struct posix_wait *granted = NULL;

	if (!w || ranges_spare_init(&w->spare) < 0) {
		free(w);
		return reply_error(req, -ENOLCK);
	}
	w->req = req;
	w->want = range_of(f, owner, lock);
	/* An interrupt comes in on this thread: it is here already, or it will find the request. */
	if (wait)
		fuse_req_interrupt_func(req, interrupted, f->mount);
	if (wait && fuse_req_interrupted(req))
		return answer(w, -EINTR);
	pthread_mutex_lock(&t->lock);
	int r = try(t, w, wait);
	/* A lock in place of a stronger one, or of none, makes way for others. */
	if (r == 0)
		granted = grant(t);
	pthread_mutex_unlock(&t->lock);
	if (r <= 0)
		answer(w, r);
	answer_all(granted, 0);
}

void posix_locks_close(struct file *f, uint64_t owner)
{
	struct posix_locks *t = &f->mount->posix_locks;

	pthread_mutex_lock(&t->lock);
	bool had = ranges_drop_owner(&t->held, node_main(f->node), owner);
	struct posix_wait *granted = had ? grant(t) : NULL;
	pthread_mutex_unlock(&t->lock);
	answer_all(granted, 0);
}

void posix_locks_release(struct file *f)
{
	struct posix_locks *t = &f->mount->posix_locks;

	pthread_mutex_lock(&t->lock);
	bool had = ranges_drop_handle(&t->held, f);
	struct posix_wait *granted = had ? grant(t) : NULL;
	pthread_mutex_unlock(&t->lock);
	answer_all(granted, 0);
}

void posix_locks_end(struct mount *m)
{
	struct posix_locks *t = &m->posix_locks;

	pthread_mutex_lock(&t->lock);
	struct posix_wait *waiting = take_ptr(t->waiting);
	pthread_mutex_unlock(&t->lock);
	answer_all(waiting, -ENOTCONN);
}
