#include "fs/following/notice.h"

#include <linux/close_range.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "fs/node/file.h"
#include "fs/node/held.h"

/* Raising inotify costs the fuse thread several requests, and whoever is told reads: all others wait in
 * line meanwhile. A change of the log that stands alone, and what the views make of it, is told of at once.
 * In a burst (follow.h) the time until the next notice doubles, up to a limit: as many as a person or a
 * program can use, and the last one after the last change. */
#define NOTICE_PAUSE_US 500
#define NOTICE_PAUSE_MAX_US 64000
/* A program that has appended and not closed for so long keeps the log open: CLOSE_WRITE is raised in its
 * place. */
#define NOTICE_CLOSE_US 100000

/* Under the lock: a notice is wanted. True: earlier than it was. */
static bool pace_want(struct pace *p, bool burst)
{
	uint64_t before = p->wanted ? p->next : CLOCK_FOREVER;

	if (burst && p->wanted)
		return false;
	p->next = burst ? p->last + p->pause : clock_us();
	p->pause = burst ? min(2 * p->pause, (uint64_t)NOTICE_PAUSE_MAX_US) : NOTICE_PAUSE_US;
	p->wanted = true;
	return p->next < before;
}

/* Under the lock: is it to be raised now? Then it is, once. */
static bool pace_take(struct pace *p)
{
	uint64_t now = clock_us();

	if (!p->wanted || now < p->next)
		return false;
	p->wanted = false;
	p->last = now;
	return true;
}

/* Under the lock, which is released in between. */
static void raise_all(struct mount *m)
{
	struct notice *n = &m->notice;
	char view[LIMIT_NAME + 1];
	unsigned log = n->raise_log;
	bool all = n->raise_all_views, failed = false;

	n->raise_log = 0;
	n->raise_all_views = false;
	pthread_mutex_unlock(&m->follow.lock);
	if (log)
		raise_log(m, log);
	if (all)
		failed = !raise_all_views(m);
	pthread_mutex_lock(&m->follow.lock);
	while (changed_take(&n->raise_views, view)) {
		pthread_mutex_unlock(&m->follow.lock);
		raise_view(m, view);
		pthread_mutex_lock(&m->follow.lock);
	}
	/* There was no memory: at the next turn, then. */
	if (failed) {
		n->all_views = true;
		(void)pace_want(&n->views_pace, m->follow.burst);
	}
}

/* Under the lock, which is released in between. */
static void check_mounts(struct mount *m)
{
	struct notice *n = &m->notice;

	n->check_mounts = false;
	pthread_mutex_unlock(&m->follow.lock);
	bool gone = n->raiser.dev && !raise_is_mounted(&n->raiser);
	pthread_mutex_lock(&m->follow.lock);
	if (gone)
		follow_detach(m);
}

/* It is a user of the mount that it is a part of: were the daemon killed while this thread waits for it,
 * or has a file of the mount open, the kernel would wait for an answer from the dead for as long as a
 * descriptor of /dev/fuse stays open in here. So it has a table of descriptors of its own, with none of
 * the daemon's. */
static void *notice_thread(void *arg)
{
	struct mount *m = arg;
	struct notice *n = &m->notice;

	n->raiser.tid = (pid_t)syscall(SYS_gettid);
	(void)!close_range(m->options.quiet ? 0 : STDERR_FILENO + 1, ~0u, CLOSE_RANGE_UNSHARE);
	pthread_mutex_lock(&m->follow.lock);
	while (n->raising || n->check_mounts || n->drop || !n->stop) {
		if (n->check_mounts) {
			check_mounts(m);
		} else if (n->drop) {
			n->drop = false;
			pthread_mutex_unlock(&m->follow.lock);
			held_drop(m);
			pthread_mutex_lock(&m->follow.lock);
		} else if (n->raising) {
			raise_all(m);
			n->raising = false;
			follow_wake(m);
		} else {
			pthread_cond_wait(&n->wake, &m->follow.lock);
		}
	}
	pthread_mutex_unlock(&m->follow.lock);
	return NULL;
}

static bool want_log(struct mount *m, unsigned what)
{
	m->notice.log |= what;
	return what && pace_want(&m->notice.log_pace, m->follow.burst);
}

bool notice_want_view(struct mount *m, const char *view)
{
	m->notice.all_views |= !changed_add(&m->notice.views, view);
	return pace_want(&m->notice.views_pace, m->follow.burst);
}

static void enlist(struct notice *n, struct file *f)
{
	struct unclosed *u = &f->unclosed;

	u->since = clock_us();
	u->next = NULL;
	u->prevp = n->unclosed_last;
	*n->unclosed_last = f;
	n->unclosed_last = &u->next;
}

static void delist(struct notice *n, struct file *f)
{
	struct unclosed *u = &f->unclosed;

	*u->prevp = u->next;
	if (u->next)
		u->next->unclosed.prevp = u->prevp;
	else
		n->unclosed_last = u->prevp;
	u->prevp = NULL;
}

bool notice_appended(struct file *f, bool by_write)
{
	struct notice *n = &f->mount->notice;
	bool wake = false;

	if (f->node->kind == NODE_EVENTS_APP_AT)
		return want_log(f->mount, RAISE_MODIFY | RAISE_CLOSE);
	if (!by_write)
		wake = want_log(f->mount, RAISE_MODIFY);
	else if (f->node->main)
		wake = want_log(f->mount, RAISE_NODE_MODIFY);
	else if (nodes_offered(&f->mount->nodes))
		wake = want_log(f->mount, RAISE_OFFERED_MODIFY);
	if (f->unclosed.prevp)
		return wake;
	enlist(n, f);
	if (n->look)
		return wake;
	n->look = f->unclosed.since + NOTICE_CLOSE_US;
	return true;
}

bool notice_closed(struct file *f)
{
	struct notice *n = &f->mount->notice;

	if (!f->unclosed.prevp)
		return false;
	delist(n, f);
	if (n->stop)
		return false;
	if (f->node->main)
		return want_log(f->mount, RAISE_NODE_CLOSE);
	return nodes_offered(&f->mount->nodes) && want_log(f->mount, RAISE_OFFERED_CLOSE);
}

/* The thread is woken at times to look who has not closed, not for each who appends. */
static void look_at_unclosed(struct mount *m)
{
	struct notice *n = &m->notice;
	uint64_t now = clock_us();

	if (!n->look || now < n->look)
		return;
	if (n->unclosed && now >= n->unclosed->unclosed.since + NOTICE_CLOSE_US) {
		while (n->unclosed)
			delist(n, n->unclosed);
		(void)want_log(m, RAISE_CLOSE);
	}
	n->look = n->unclosed ? n->unclosed->unclosed.since + NOTICE_CLOSE_US : 0;
}

bool notice_go(struct mount *m)
{
	struct notice *n = &m->notice;

	look_at_unclosed(m);
	if (n->raising)
		return false;
	if (pace_take(&n->log_pace)) {
		n->raise_log = n->log;
		n->log = 0;
	}
	if (pace_take(&n->views_pace)) {
		n->raise_views = take_ptr(n->views);
		n->raise_all_views = n->all_views;
		n->all_views = false;
	}
	n->raising = n->raise_log || n->raise_views || n->raise_all_views;
	if (n->raising)
		pthread_cond_signal(&n->wake);
	return n->raising;
}

bool notice_drop(struct mount *m)
{
	struct notice *n = &m->notice;

	pthread_mutex_lock(&m->follow.lock);
	bool may = n->raiser.dev && !n->stop;
	n->drop |= may;
	pthread_mutex_unlock(&m->follow.lock);
	if (may)
		pthread_cond_signal(&n->wake);
	return may;
}

uint64_t notice_next(const struct mount *m)
{
	const struct notice *n = &m->notice;
	uint64_t look = n->look ? n->look : CLOCK_FOREVER;
	uint64_t log = n->log_pace.wanted ? n->log_pace.next : CLOCK_FOREVER;
	uint64_t views = n->views_pace.wanted ? n->views_pace.next : CLOCK_FOREVER;

	uint64_t next = n->raising ? CLOCK_FOREVER : min(log, views);

	return min(look, next);
}

bool notice_is_its(const struct mount *m, pid_t tid)
{
	return tid != 0 && tid == m->notice.raiser.tid;
}

void notice_init(struct mount *m, const char *mnt)
{
	m->notice.raiser.mnt = mnt;
	m->notice.unclosed_last = &m->notice.unclosed;
	pthread_cond_init(&m->notice.wake, NULL);
}

int notice_start(struct mount *m)
{
	return -pthread_create(&m->notice.thread, NULL, notice_thread, m);
}

void notice_mounted(struct mount *m)
{
	raise_begin(m);
}

void notice_mounts_changed(struct mount *m)
{
	pthread_mutex_lock(&m->follow.lock);
	m->notice.check_mounts = true;
	pthread_mutex_unlock(&m->follow.lock);
	pthread_cond_signal(&m->notice.wake);
}

void notice_stop(struct mount *m)
{
	pthread_mutex_lock(&m->follow.lock);
	m->notice.stop = true;
	pthread_mutex_unlock(&m->follow.lock);
	pthread_cond_signal(&m->notice.wake);
	pthread_join(m->notice.thread, NULL);
}

void notice_deinit(struct mount *m)
{
	changed_free(&m->notice.views);
	changed_free(&m->notice.raise_views);
	raise_end(m);
	pthread_cond_destroy(&m->notice.wake);
}
