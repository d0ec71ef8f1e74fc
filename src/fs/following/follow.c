#include "fs/following/follow.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "fs/following/turn.h"
#include "fs/node/node_class.h"

/* A follower that is told wakes up, asks and reads, for which all others wait in line. Where there are
 * more than a few, there is so much time for each until the next round, if there is one to come by then: a
 * thousand don't stop the writers. */
#define TELL_FEW 10
#define TELL_PAUSE_US 400
/* Changes of the log that come closer together are a burst. */
#define BURST_US 5000

/* Under the lock, which is released in between. */
static void tell_reader(struct mount *m, struct file *f)
{
	struct tail_wait *wait = turn_give(f);
	pthread_mutex_unlock(&m->follow.lock);
	/* The kernel keeps it open until the answer. */
	class_of(f->node)->answer(file_ref(f), wait);
	pthread_mutex_lock(&m->follow.lock);
}

static void tell_poll(struct mount *m, struct fuse_pollhandle *ph)
{
	pthread_mutex_unlock(&m->follow.lock);
	fuse_lowlevel_notify_poll(ph);
	fuse_pollhandle_destroy(ph);
	pthread_mutex_lock(&m->follow.lock);
}

/* Tells those who follow this, and have not read or heard of it as it is; how many that are. One after the
 * other, so that there is nothing that memory could be short for. */
static size_t tell(struct mount *m, enum topic topic, const char *view)
{
	struct seen now = follower_state(m, topic, view);
	struct file *f;
	size_t n = 0;

	pthread_mutex_lock(&m->follow.lock);
	for (follower_begin(m); (f = follower_next(m));) {
		struct fuse_pollhandle *ph = NULL;
		bool read = follower_must_read(f, topic, view, &now);
		if (follower_must_poll(f, topic, view, &now))
			ph = follower_take_poll(f, topic, &now);
		n += read + (ph != NULL);
		if (read)
			tell_reader(m, f);
		if (ph)
			tell_poll(m, ph);
	}
	pthread_mutex_unlock(&m->follow.lock);
	return n;
}

/* At the end, when the mount is detached, and where memory is short: everybody who waits, for whatever.
 * Who has nothing to read waits again. */
static void tell_all(struct mount *m)
{
	struct file *f;

	pthread_mutex_lock(&m->follow.lock);
	for (follower_begin(m); (f = follower_next(m));) {
		bool read = turn_is_free(f);
		struct fuse_pollhandle *ph = follower_take_poll(f, TOPICS, NULL);
		if (read)
			tell_reader(m, f);
		if (ph)
			tell_poll(m, ph);
	}
	pthread_mutex_unlock(&m->follow.lock);
}

static bool take_flag(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}

/* Tells the followers of all that has changed, but of one view only, each in turn; under the lock, which
 * is released in between. False: there is nobody to be told now. */
static bool tell_changes(struct mount *m)
{
	struct follow *follow = &m->follow;
	bool *changed = follow->changed, due[TOPICS] = {0};
	char view[LIMIT_NAME + 1];
	size_t n = 0;

	due[TOPIC_STATUS] = follow->status_polls && status_clock_left(&m->status) == 0;
	if (!changed[TOPIC_LOG] && !changed[TOPIC_REJECTED] && !follow->views && !due[TOPIC_STATUS])
		return false;
	if (clock_us() < follow->next_tell) {
		clock_cond_wait(&follow->wake, &follow->lock, follow->next_tell);
		return true;
	}
	due[TOPIC_LOG] = take_flag(&changed[TOPIC_LOG]);
	due[TOPIC_REJECTED] = take_flag(&changed[TOPIC_REJECTED]);
	due[TOPIC_VIEW] = changed_take(&follow->views, view);
	pthread_mutex_unlock(&m->follow.lock);
	for (enum topic topic = 0; topic < TOPICS; topic++)
		if (due[topic])
			n += tell(m, topic, view);
	pthread_mutex_lock(&m->follow.lock);
	follow->next_tell = n > TELL_FEW ? clock_us() + n * TELL_PAUSE_US : 0;
	return true;
}

/* When those who wait for status.json have to be told, if there is nothing else: µs of CLOCK_MONOTONIC. */
static uint64_t status_next(struct mount *m)
{
	uint64_t left = m->follow.status_polls ? status_clock_left(&m->status) : CLOCK_FOREVER;

	return left == CLOCK_FOREVER ? CLOCK_FOREVER : clock_us() + left;
}

static void *follow_thread(void *arg)
{
	struct mount *m = arg;
	struct follow *follow = &m->follow;

	pthread_mutex_lock(&m->follow.lock);
	while (!follow->stop) {
		if (take_flag(&follow->tell_all)) {
			pthread_mutex_unlock(&m->follow.lock);
			tell_all(m);
			pthread_mutex_lock(&m->follow.lock);
			continue;
		}
		bool told = tell_changes(m);
		if (!notice_go(m) && !told)
			clock_cond_wait(&follow->wake, &follow->lock, min(notice_next(m), status_next(m)));
	}
	pthread_mutex_unlock(&m->follow.lock);
	tell_all(m);
	notice_stop(m);
	(void)!eventfd_write(follow->done_fd, 1); /* fails only where it counts very far already */
	return NULL;
}

/* Under the lock. The thread is left alone where it has nothing new to do: each time that it wakes up, for
 * every event, is taken from whoever reads what has changed. Who begins to wait looks for himself. */
static bool somebody_waits(const struct mount *m)
{
	return m->follow.files || m->follow.round;
}

/* Under the lock. True: the thread has to be woken. */
static bool tell_of_log(struct mount *m)
{
	bool wake = somebody_waits(m);

	m->follow.changed[TOPIC_LOG] |= wake;
	return wake;
}

static void view_changed(struct mount *m, const char *view, bool news)
{
	pthread_mutex_lock(&m->follow.lock);
	bool wake = somebody_waits(m);
	if (wake && !changed_add(&m->follow.views, view))
		m->follow.tell_all = true;
	if (news) {
		status_clock_news(&m->status);
		/* What is due now needs no help of the thread. */
		wake |= notice_want_view(m, view) && !notice_go(m);
	}
	pthread_mutex_unlock(&m->follow.lock);
	if (wake)
		follow_wake(m);
}

bool follow_log_changed(struct mount *m)
{
	struct follow *follow = &m->follow;
	uint64_t now = clock_us();

	pthread_mutex_lock(&follow->lock);
	bool wake = tell_of_log(m);
	status_clock_news(&m->status);
	follow->burst = now - follow->log_changed < BURST_US;
	follow->log_changed = now;
	bool at_once = !follow->burst || follow->view_waits > 0;
	pthread_mutex_unlock(&follow->lock);
	if (wake)
		follow_wake(m);
	return at_once;
}

void follow_appended(struct mount *m, struct file *f, bool by_write)
{
	pthread_mutex_lock(&m->follow.lock);
	bool wake = notice_appended(f, by_write);
	pthread_mutex_unlock(&m->follow.lock);
	if (wake)
		follow_wake(m);
}

void follow_view_changed(struct mount *m, const char *view)
{
	view_changed(m, view, true);
}

void follow_rejected_changed(struct mount *m)
{
	pthread_mutex_lock(&m->follow.lock);
	bool wake = somebody_waits(m);
	m->follow.changed[TOPIC_REJECTED] |= wake;
	status_clock_news(&m->status);
	pthread_mutex_unlock(&m->follow.lock);
	if (wake)
		follow_wake(m);
}

void follow_status_changed(struct mount *m)
{
	pthread_mutex_lock(&m->follow.lock);
	bool wake = somebody_waits(m);
	status_clock_news(&m->status);
	pthread_mutex_unlock(&m->follow.lock);
	if (wake)
		follow_wake(m);
}

void follow_recheck(struct mount *m, struct file *f)
{
	if (class_of(f->node)->topic == TOPIC_VIEW)
		return view_changed(m, f->node->name, false);
	pthread_mutex_lock(&m->follow.lock);
	bool wake = tell_of_log(m);
	pthread_mutex_unlock(&m->follow.lock);
	if (wake)
		follow_wake(m);
}

void follow_wake(struct mount *m)
{
	pthread_cond_signal(&m->follow.wake);
}

void follow_detach(struct mount *m)
{
	if (m->follow.detached)
		return;
	m->follow.detached = m->follow.tell_all = true;
	follow_wake(m);
}

void follow_init(struct mount *m, const char *mnt)
{
	struct follow *follow = &m->follow;

	*follow = (struct follow){.done_fd = -1};
	pthread_mutex_init(&follow->lock, NULL);
	clock_cond_init(&follow->wake);
	notice_init(m, mnt);
}

int follow_start(struct mount *m)
{
	struct follow *follow = &m->follow;

	follow->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (follow->done_fd < 0)
		return -errno;
	int r = notice_start(m);
	if (r < 0)
		return r;
	r = pthread_create(&follow->thread, NULL, follow_thread, m);
	follow->started = r == 0;
	if (r != 0)
		notice_stop(m);
	return -r;
}

void follow_stop(struct mount *m)
{
	pthread_mutex_lock(&m->follow.lock);
	m->follow.stop = true;
	pthread_mutex_unlock(&m->follow.lock);
	follow_wake(m);
}

void follow_join(struct mount *m)
{
	if (!m->follow.started)
		return;
	follow_stop(m);
	pthread_join(m->follow.thread, NULL);
}

void follow_deinit(struct mount *m)
{
	struct follow *follow = &m->follow;

	changed_free(&follow->views);
	notice_deinit(m);
	closep(&follow->done_fd);
	pthread_cond_destroy(&follow->wake);
	pthread_mutex_destroy(&follow->lock);
}

uint64_t follow_waiting(struct mount *m)
{
	pthread_mutex_lock(&m->follow.lock);
	uint64_t waiting = m->follow.waiting;
	pthread_mutex_unlock(&m->follow.lock);
	return waiting;
}

void follow_closed(struct file *f)
{
	struct mount *m = f->mount;

	pthread_mutex_lock(&m->follow.lock);
	follower_deinit(f);
	bool wake = notice_closed(f);
	pthread_mutex_unlock(&m->follow.lock);
	if (wake)
		follow_wake(m);
}
