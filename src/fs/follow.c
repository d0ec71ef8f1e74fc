#include "fs/follow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "fs/file.h"
#include "fs/notice.h"
#include "fs/reply.h"
#include "fs/tail_file.h"

/* Raising inotify costs the fuse thread several requests, and whoever is told reads: all others wait in line meanwhile. A change after a
 * time without any is told of at once. While changes keep coming, the time until the next notice doubles, up to a limit. */
#define NOTICE_QUIET_US 2500
#define NOTICE_PAUSE_US 500
#define NOTICE_PAUSE_MAX_US 16000

/* So it is with followers that are told. Where they are more than a few, there is so much time for each until the next round, if there is
 * one to come by then: a thousand don't stop the writers. */
#define TELL_FEW 10
#define TELL_PAUSE_US 400

/* There is one for a view, however often it changes until all is done. */
struct changed_view {
	struct changed_view *next;
	char name[LIMIT_NAME + 1];
	enum due_view {
		TELL = 1,   /* its followers */
		NOTICE = 2, /* inotify is to be raised */
		RAISE = 4,  /* now, by the raising thread */
	} due;
};

/* Under the lock: the file is in the list while somebody waits on it. */
static void enlist(struct file *f)
{
	struct follow *follow = &f->mount->follow;
	struct follower *w = &f->follower;

	if (w->prevp)
		return;
	w->next = follow->files;
	w->prevp = &follow->files;
	if (w->next)
		w->next->follower.prevp = &w->next;
	follow->files = f;
}

static void delist(struct file *f)
{
	struct follower *w = &f->follower;

	if (!w->prevp)
		return;
	*w->prevp = w->next;
	if (w->next)
		w->next->follower.prevp = w->prevp;
	w->prevp = NULL;
}

void follower_init(struct file *f)
{
	f->follower = (struct follower){.last = &f->follower.first};
	f->follower.last = &f->follower.first;
}

void follower_deinit(struct file *f)
{
	if (f->follower.poll) {
		fuse_pollhandle_destroy(f->follower.poll);
		f->mount->follow.waiting--;
	}
	f->follower.poll = NULL;
	delist(f);
}

static bool is_of_view(const struct file *f)
{
	return node_is_view(f->node->kind) || f->node->kind == NODE_TAIL_VIEW;
}

/* Those of a view's files that tell how far it has read: where they are read that is the log's head, whether the state has
 * changed or not. */
static bool tells_position(const struct file *f)
{
	enum node_kind kind = f->node->kind;

	return kind == NODE_VIEW_OFFSET || kind == NODE_VIEW_HASH || kind == NODE_VIEW_SNAPSHOT;
}

/* How the log (view NULL) or a view stands, as far as it is known without asking anybody. */
static struct seen state_of(struct mount *m, const char *view)
{
	struct seen now = { .off = eventlog_head(m->log).off };
	struct view_status status;

	if (!view)
		return now;
	now.broken = views_status(m->views, view, &status) < 0 || status.broken;
	if (!now.broken)
		now.version = status.version;
	return now;
}

/* Is there something that the file has not read? */
static bool differs(const struct file *f, const struct seen *now)
{
	const struct follower *w = &f->follower;

	switch (f->node->kind) {
	case NODE_EVENTS_APP:
	case NODE_EVENTS_APP_AT:
	case NODE_TAIL_APP:
	case NODE_TAIL_APP_AT:
		return now->off > w->pos;
	case NODE_HEAD_APP:
		return !w->seen.something || now->off != w->seen.off;
	case NODE_VIEW_JSON:
		return !w->seen.something || now->version != w->seen.version || now->broken != w->seen.broken;
	case NODE_TAIL_VIEW:
		return !w->seen.something || now->version != w->seen.version ||
		       now->broken != w->seen.broken || (f->text && w->pos < f->text->body.len);
	default:
		return !w->seen.something || now->broken != w->seen.broken || (!now->broken && now->off != w->seen.off) ||
		       (f->node->kind == NODE_VIEW_SNAPSHOT && now->version != w->seen.version);
	}
}

bool follow_is_over(const struct file *f)
{
	return f->mount->follow.stop || (f->mount->follow.detached && node_is_tail(f->node->kind));
}

void follow_poll(fuse_req_t req, struct file *f, struct fuse_pollhandle *ph)
{
	struct mount *m = f->mount;
	bool follows = node_is_log(f->node->kind) || node_is_tail(f->node->kind) || is_of_view(f) ||
		       f->node->kind == NODE_HEAD_APP;
	unsigned events = (f->flags & O_ACCMODE) == O_RDONLY ? 0 : POLLOUT;
	struct fuse_pollhandle *old = ph;

	if (!follows) {
		if (ph)
			fuse_pollhandle_destroy(ph);
		fuse_reply_poll(req, events | POLLIN);
		return;
	}
	if (ph) {
		pthread_mutex_lock(&m->lock);
		old = f->follower.poll;
		m->follow.waiting += !old;
		f->follower.poll = ph;
		enlist(f);
		pthread_mutex_unlock(&m->lock);
	}
	if (old)
		fuse_pollhandle_destroy(old);
	/* Looked at after the wait was entered: a change in between is seen here, or told by the thread, or both. */
	struct seen now = state_of(m, is_of_view(f) ? f->node->name : NULL);
	pthread_mutex_lock(&m->lock);
	bool ready = differs(f, &now) || follow_is_over(f);
	pthread_mutex_unlock(&m->lock);
	bool plain = node_is_log(f->node->kind) || node_is_tail(f->node->kind);
	fuse_reply_poll(req, events | (ready ? POLLIN | (plain ? POLLRDNORM : POLLPRI | POLLRDNORM) : 0));
}

void follow_wait(struct file *f, struct tail_wait *wait)
{
	wait->next = NULL;
	*f->follower.last = wait;
	f->follower.last = &wait->next;
	f->mount->follow.waiting++;
	enlist(f);
}

static struct tail_wait *take_wait(struct file *f, struct tail_wait **p)
{
	struct tail_wait *wait = *p;

	*p = wait->next;
	if (!*p)
		f->follower.last = p;
	f->mount->follow.waiting--;
	if (!f->follower.first && !f->follower.poll)
		delist(f);
	return wait;
}

struct tail_wait *follow_take(struct file *f)
{
	return f->follower.first ? take_wait(f, &f->follower.first) : NULL;
}

void follow_interrupt(struct mount *m, fuse_req_t req)
{
	struct tail_wait *found = NULL;

	pthread_mutex_lock(&m->lock);
	for (struct file *f = m->follow.files, *next; f && !found; f = next) {
		next = f->follower.next;
		for (struct tail_wait **p = &f->follower.first; *p && !found; p = found ? p : &(*p)->next)
			if ((*p)->req == req) {
				found = take_wait(f, p);
				break;
			}
	}
	pthread_mutex_unlock(&m->lock);
	if (found) {
		reply_error(req, -EINTR);
		free(found);
	}
}

/* What is to be done for the followers of one thing that has changed, collected under the lock and done without it. */
struct due {
	struct fuse_pollhandle **polls;
	struct due_read {
		struct file *file; /* with a reference */
		struct tail_wait *wait;
	} * reads;
	size_t n_polls, n_reads;
};

static void collect(struct file *f, struct due *due)
{
	struct follower *w = &f->follower;

	if (w->first && !w->reading) {
		w->reading = true;
		f->refs++;
		due->reads[due->n_reads++] = (struct due_read){f, take_wait(f, &w->first)};
	}
	if (w->poll) {
		due->polls[due->n_polls++] = w->poll;
		w->poll = NULL;
		f->mount->follow.waiting--;
		if (!w->first)
			delist(f);
	}
}

static void serve_due(struct mount *m, struct due *due)
{
	for (size_t i = 0; i < due->n_reads; i++)
		tail_file_answer(due->reads[i].file, due->reads[i].wait);
	for (size_t i = 0; i < due->n_polls; i++) {
		fuse_lowlevel_notify_poll(due->polls[i]);
		fuse_pollhandle_destroy(due->polls[i]);
	}
	free(due->polls);
	free(due->reads);
	*due = (struct due){0};
}

/* Has the file to be looked at, now that the log (view NULL) or this view has changed? */
static bool concerns(const struct file *f, const char *view)
{
	if (!view)
		return !is_of_view(f) || tells_position(f);
	return is_of_view(f) && strcmp(f->node->name, view) == 0;
}

/* As `differs`; of the log it is known only where the head is: who knows a view's position has read less than that. */
static bool is_due(const struct file *f, const char *view, const struct seen *now)
{
	if (!view && is_of_view(f))
		return !f->follower.seen.broken && now->off != f->follower.seen.off;
	return differs(f, now);
}

/* Room for all who may be due; false: no memory, and nobody is told this time. */
static bool make_room(struct mount *m, struct due *due)
{
	size_t n = m->follow.waiting + 1;

	due->polls = calloc(n, sizeof(*due->polls));
	due->reads = calloc(n, sizeof(*due->reads));
	if (due->polls && due->reads)
		return true;
	free(due->polls);
	free(due->reads);
	return false;
}

/* Tells those who follow the log (view NULL) or one view, and have not read what there is; how many that are. */
static size_t tell(struct mount *m, const char *view)
{
	struct seen now = state_of(m, view);
	struct due due = { 0 };

	pthread_mutex_lock(&m->lock);
	bool room = make_room(m, &due);
	for (struct file *f = m->follow.files, *next; f && room; f = next) {
		next = f->follower.next;
		if (concerns(f, view) && (is_due(f, view, &now) || follow_is_over(f)))
			collect(f, &due);
	}
	pthread_mutex_unlock(&m->lock);
	size_t n = due.n_polls + due.n_reads;
	if (room)
		serve_due(m, &due);
	return n;
}

/* At the end, and when the mount is detached: everybody who waits, for whatever. Who has nothing to read waits again. */
static void tell_all(struct mount *m)
{
	struct due due = {0};

	pthread_mutex_lock(&m->lock);
	bool room = make_room(m, &due);
	for (struct file *f = m->follow.files, *next; f && room; f = next) {
		next = f->follower.next;
		collect(f, &due);
	}
	pthread_mutex_unlock(&m->lock);
	if (room)
		serve_due(m, &due);
}

static void free_views(struct changed_view *views)
{
	while (views) {
		struct changed_view *next = views->next;
		free(views);
		views = next;
	}
}

static bool any_due(const struct follow *follow, enum due_view what)
{
	for (const struct changed_view *v = follow->views; v; v = v->next)
		if (v->due & what)
			return true;
	return false;
}

/* Under the lock: the view of which this has been due for the longest time. */
static bool take_due(struct follow *follow, enum due_view what, char *ret_name)
{
	struct changed_view **p = &follow->views;

	while (*p && !((*p)->due & what))
		p = &(*p)->next;
	struct changed_view *v = *p;
	if (!v)
		return false;
	memcpy(ret_name, v->name, sizeof(v->name));
	*p = v->next;
	v->due &= ~what;
	if (!v->due) {
		free(v);
		return true;
	}
	while (*p)
		p = &(*p)->next;
	v->next = NULL;
	*p = v;
	return true;
}

static bool take_flag(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Under the lock: sleeps until something changes, or until then. */
static void sleep_until(struct mount *m, uint64_t us)
{
	struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

	pthread_cond_timedwait(&m->follow.wake, &m->lock, &t);
}

/* Under the lock: a notice is wanted. */
static void pace_want(struct pace *p)
{
	uint64_t now = now_us();

	if (p->wanted)
		return;
	p->wanted = true;
	if (now >= p->last + NOTICE_QUIET_US) {
		p->next = now;
		p->pause = NOTICE_PAUSE_US;
	} else {
		p->next = p->last + p->pause;
		p->pause = min(2 * p->pause, (uint64_t)NOTICE_PAUSE_MAX_US);
	}
}

/* Under the lock: is it to be raised now? Then it is, once. */
static bool pace_take(struct pace *p)
{
	uint64_t now = now_us();

	if (!p->wanted || now < p->next)
		return false;
	p->wanted = false;
	p->last = now;
	return true;
}

/* Under the lock, which is released in between. */
static void raise_all(struct mount *m)
{
	char path[LIMIT_NAME + 16], view[LIMIT_NAME + 1];
	bool log = take_flag(&m->follow.raise_log);

	while (log || take_due(&m->follow, RAISE, view)) {
		snprintf(path, sizeof(path), log ? "events/app" : "views/%s.json", view);
		log = false;
		pthread_mutex_unlock(&m->lock);
		notice_raise(m, path);
		pthread_mutex_lock(&m->lock);
	}
}

/* Under the lock, which is released in between. */
static void check_mounts(struct mount *m)
{
	struct follow *follow = &m->follow;

	pthread_mutex_unlock(&m->lock);
	bool gone = follow->dev && !notice_is_mounted(follow->dev);
	pthread_mutex_lock(&m->lock);
	if (gone && !follow->detached) {
		follow->detached = follow->tell_all = true;
		pthread_cond_signal(&follow->wake);
	}
}

/* Raises what the other thread hands over. It is a user of the mount that it is a part of: were the daemon killed while this thread
 * waits for it, or has a file of the mount open, the kernel would wait for an answer from the dead for as long as a descriptor of
 * /dev/fuse stays open in here. So it has a table of descriptors of its own, with none of the daemon's. */
static void *raise_thread(void *arg)
{
	struct mount *m = arg;
	struct follow *follow = &m->follow;

	follow->tid = (pid_t)syscall(SYS_gettid);
	(void)!close_range(m->options.quiet ? 0 : STDERR_FILENO + 1, ~0u, CLOSE_RANGE_UNSHARE);
	pthread_mutex_lock(&m->lock);
	for (;;) {
		while (!follow->raising && !follow->check_mounts && !follow->stop)
			pthread_cond_wait(&follow->raise, &m->lock);
		if (take_flag(&follow->check_mounts))
			check_mounts(m);
		else if (!follow->raising)
			break;
		if (!follow->raising)
			continue;
		raise_all(m);
		follow->raising = false;
		pthread_cond_signal(&follow->wake);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* Under the lock: hands over what inotify is to be raised for by now. False: nothing. */
static bool raise_changes(struct mount *m)
{
	struct follow *follow = &m->follow;

	if (follow->raising)
		return false;
	follow->raise_log = pace_take(&follow->log_pace);
	bool views = pace_take(&follow->views_pace);
	for (struct changed_view *v = follow->views; views && v; v = v->next)
		if (v->due & NOTICE)
			v->due = (v->due & ~NOTICE) | RAISE;
	follow->raising = follow->raise_log || views;
	if (follow->raising)
		pthread_cond_signal(&follow->raise);
	return follow->raising;
}

/* Sleeps until something changes or notices may be raised again; under the lock. */
static void wait_for_change(struct mount *m)
{
	struct follow *follow = &m->follow;
	uint64_t log = follow->log_pace.wanted ? follow->log_pace.next : UINT64_MAX;
	uint64_t views = follow->views_pace.wanted ? follow->views_pace.next : UINT64_MAX;

	if (follow->raising || min(log, views) == UINT64_MAX)
		pthread_cond_wait(&follow->wake, &m->lock);
	else
		sleep_until(m, min(log, views));
}

/* Tells the followers of the log and of one view, in turn; under the lock, which is released in between. False: there is nobody to be
 * told. */
static bool tell_changes(struct mount *m)
{
	struct follow *follow = &m->follow;
	char view[LIMIT_NAME + 1];
	size_t n = 0;

	if (!follow->log_changed && !any_due(follow, TELL))
		return false;
	if (now_us() < follow->next_tell) {
		sleep_until(m, follow->next_tell);
		return true;
	}
	bool log = take_flag(&follow->log_changed), untold = take_due(follow, TELL, view);
	pthread_mutex_unlock(&m->lock);
	if (log)
		n += tell(m, NULL);
	if (untold)
		n += tell(m, view);
	pthread_mutex_lock(&m->lock);
	follow->next_tell = n > TELL_FEW ? now_us() + n * TELL_PAUSE_US : 0;
	return true;
}

static void *follow_thread(void *arg)
{
	struct mount *m = arg;
	struct follow *follow = &m->follow;

	pthread_mutex_lock(&m->lock);
	while (!follow->stop) {
		if (take_flag(&follow->tell_all)) {
			pthread_mutex_unlock(&m->lock);
			tell_all(m);
			pthread_mutex_lock(&m->lock);
			continue;
		}
		bool told = tell_changes(m);
		if (!raise_changes(m) && !told)
			wait_for_change(m);
	}
	pthread_mutex_unlock(&m->lock);
	tell_all(m);
	pthread_join(follow->raise_thread, NULL);
	if (eventfd_write(follow->done_fd, 1) < 0)
		abort(); /* an eventfd that counts to one */
	return NULL;
}

static void log_changed(struct mount *m, bool notice)
{
	pthread_mutex_lock(&m->lock);
	m->follow.log_changed = true;
	if (notice)
		pace_want(&m->follow.log_pace);
	pthread_mutex_unlock(&m->lock);
	pthread_cond_signal(&m->follow.wake);
}

static void view_changed(struct mount *m, const char *view, bool notice)
{
	struct changed_view *fresh = calloc(1, sizeof(*fresh)), **p = &m->follow.views;

	pthread_mutex_lock(&m->lock);
	while (*p && strcmp((*p)->name, view) != 0)
		p = &(*p)->next;
	if (!*p && fresh) {
		memcpy(fresh->name, view, strlen(view) + 1);
		*p = fresh;
		fresh = NULL;
	}
	if (*p)
		(*p)->due |= notice ? TELL | NOTICE : TELL;
	if (notice)
		pace_want(&m->follow.views_pace);
	pthread_mutex_unlock(&m->lock);
	free(fresh);
	pthread_cond_signal(&m->follow.wake);
}

void follow_log_changed(struct mount *m)
{
	log_changed(m, true);
}

void follow_view_changed(struct mount *m, const char *view)
{
	view_changed(m, view, true);
}

void follow_recheck(struct mount *m, struct file *f)
{
	if (is_of_view(f))
		view_changed(m, f->node->name, false);
	else
		log_changed(m, false);
}

bool follow_is_notice(struct mount *m, pid_t tid)
{
	return tid == m->follow.tid;
}

int follow_init(struct mount *m, const char *mnt)
{
	struct follow *follow = &m->follow;

	follow->mnt = mnt;
	follow->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (follow->done_fd < 0)
		return -errno;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&follow->wake, &monotonic);
	pthread_cond_init(&follow->raise, NULL);
	pthread_condattr_destroy(&monotonic);
	follow->inited = true;
	return 0;
}

int follow_start(struct mount *m)
{
	struct follow *follow = &m->follow;
	int r = pthread_create(&follow->raise_thread, NULL, raise_thread, m);

	if (r != 0)
		return -r;
	r = pthread_create(&follow->thread, NULL, follow_thread, m);
	follow->started = r == 0;
	if (r != 0) {
		follow_stop(m);
		pthread_join(follow->raise_thread, NULL);
	}
	return -r;
}

void follow_mounted(struct mount *m)
{
	if (m->follow.mnt)
		m->follow.dev = notice_device(m->follow.mnt);
}

void follow_mounts_changed(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	m->follow.check_mounts = true;
	pthread_mutex_unlock(&m->lock);
	pthread_cond_signal(&m->follow.raise);
}

void follow_stop(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	m->follow.stop = true;
	pthread_mutex_unlock(&m->lock);
	pthread_cond_signal(&m->follow.wake);
	pthread_cond_signal(&m->follow.raise);
}

void follow_join(struct mount *m)
{
	if (!m->follow.started)
		return;
	follow_stop(m);
	pthread_join(m->follow.thread, NULL);
}

void follow_free(struct mount *m)
{
	struct follow *follow = &m->follow;

	if (!follow->inited)
		return;
	free_views(follow->views);
	close(follow->done_fd);
	pthread_cond_destroy(&follow->wake);
	pthread_cond_destroy(&follow->raise);
}
