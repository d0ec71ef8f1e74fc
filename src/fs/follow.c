#include "fs/follow.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "fs/file.h"
#include "fs/tail_file.h"

/* A follower that is told wakes up, asks and reads, for which all others wait in line. Where there are more than a few, there is so much
 * time for each until the next round, if there is one to come by then: a thousand don't stop the writers. */
#define TELL_FEW 10
#define TELL_PAUSE_US 400

/* Under the lock, which is released in between. */
static void tell_reader(struct mount *m, struct file *f)
{
	f->follower.reading = true;
	f->refs++;
	struct tail_wait *wait = follower_take(f);
	pthread_mutex_unlock(&m->lock);
	tail_file_answer(f, wait);
	pthread_mutex_lock(&m->lock);
}

static void tell_poll(struct mount *m, struct fuse_pollhandle *ph)
{
	pthread_mutex_unlock(&m->lock);
	fuse_lowlevel_notify_poll(ph);
	fuse_pollhandle_destroy(ph);
	pthread_mutex_lock(&m->lock);
}

/* Tells those who follow this, and have not read or heard of it as it is; how many that are. One after the other, so that there is nothing
 * that memory could be short for. */
static size_t tell(struct mount *m, enum topic topic, const char *view)
{
	struct seen now = follower_state(m, topic, view);
	struct file *f;
	size_t n = 0;

	pthread_mutex_lock(&m->lock);
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
	pthread_mutex_unlock(&m->lock);
	return n;
}

/* At the end, when the mount is detached, and where memory is short: everybody who waits, for whatever. Who has nothing to read waits
 * again. */
static void tell_all(struct mount *m)
{
	struct file *f;

	pthread_mutex_lock(&m->lock);
	for (follower_begin(m); (f = follower_next(m));) {
		bool read = f->follower.first && !f->follower.reading;
		struct fuse_pollhandle *ph = follower_take_poll(f, TOPICS, NULL);
		if (read)
			tell_reader(m, f);
		if (ph)
			tell_poll(m, ph);
	}
	pthread_mutex_unlock(&m->lock);
}

static bool take_flag(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}

/* Under the lock: sleeps until something changes, or until then. */
static void sleep_until(struct mount *m, uint64_t us)
{
	struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

	if (us == UINT64_MAX)
		pthread_cond_wait(&m->follow.wake, &m->lock);
	else
		pthread_cond_timedwait(&m->follow.wake, &m->lock, &t);
}

/* Tells the followers of all that has changed, but of one view only, each in turn; under the lock, which is released in between. False:
 * there is nobody to be told now. */
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
		sleep_until(m, follow->next_tell);
		return true;
	}
	due[TOPIC_LOG] = take_flag(&changed[TOPIC_LOG]);
	due[TOPIC_REJECTED] = take_flag(&changed[TOPIC_REJECTED]);
	due[TOPIC_VIEW] = changed_take(&follow->views, view);
	pthread_mutex_unlock(&m->lock);
	for (enum topic topic = 0; topic < TOPICS; topic++)
		if (due[topic])
			n += tell(m, topic, view);
	pthread_mutex_lock(&m->lock);
	follow->next_tell = n > TELL_FEW ? clock_us() + n * TELL_PAUSE_US : 0;
	return true;
}

/* When those who wait for status.json have to be told, if there is nothing else: µs of CLOCK_MONOTONIC. */
static uint64_t status_next(const struct mount *m)
{
	uint64_t left = m->follow.status_polls ? status_clock_left(&m->status) : UINT64_MAX;

	return left == UINT64_MAX ? UINT64_MAX : clock_us() + left;
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
		if (!notice_go(m) && !told)
			sleep_until(m, min(notice_next(m), status_next(m)));
	}
	pthread_mutex_unlock(&m->lock);
	tell_all(m);
	notice_stop(m);
	(void)!eventfd_write(follow->done_fd, 1); /* fails only where it counts very far already */
	return NULL;
}

/* Under the lock. The thread is left alone where it has nothing new to do: each time that it wakes up, for every event, is taken from
 * whoever reads what has changed. Who begins to wait looks for himself. */
static bool somebody_waits(const struct mount *m)
{
	return m->follow.files || m->follow.round;
}

static void log_changed(struct mount *m, bool news)
{
	pthread_mutex_lock(&m->lock);
	bool wake = somebody_waits(m);
	m->follow.changed[TOPIC_LOG] |= wake;
	if (news)
		status_clock_news(&m->status);
	pthread_mutex_unlock(&m->lock);
	if (wake)
		follow_wake(m);
}

static void view_changed(struct mount *m, const char *view, bool news)
{
	pthread_mutex_lock(&m->lock);
	bool wake = somebody_waits(m);
	if (wake && !changed_add(&m->follow.views, view))
		m->follow.tell_all = true;
	if (news) {
		status_clock_news(&m->status);
		/* What is due now needs no help of the thread. */
		wake |= notice_want_view(m, view) && !notice_go(m);
	}
	pthread_mutex_unlock(&m->lock);
	if (wake)
		follow_wake(m);
}

void follow_log_changed(struct mount *m)
{
	log_changed(m, true);
}

void follow_appended(struct mount *m, struct file *f, bool by_write)
{
	pthread_mutex_lock(&m->lock);
	bool wake = notice_appended(f, by_write);
	pthread_mutex_unlock(&m->lock);
	if (wake)
		follow_wake(m);
}

void follow_view_changed(struct mount *m, const char *view)
{
	view_changed(m, view, true);
}

void follow_rejected_changed(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	bool wake = somebody_waits(m);
	m->follow.changed[TOPIC_REJECTED] |= wake;
	status_clock_news(&m->status);
	pthread_mutex_unlock(&m->lock);
	if (wake)
		follow_wake(m);
}

void follow_recheck(struct mount *m, struct file *f)
{
	if (f->node->kind == NODE_TAIL_VIEW)
		view_changed(m, f->node->name, false);
	else
		log_changed(m, false);
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

int follow_init(struct mount *m, const char *mnt)
{
	struct follow *follow = &m->follow;

	follow->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (follow->done_fd < 0)
		return -errno;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&follow->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	notice_init(m, mnt);
	follow->inited = true;
	return 0;
}

int follow_start(struct mount *m)
{
	struct follow *follow = &m->follow;
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
	pthread_mutex_lock(&m->lock);
	m->follow.stop = true;
	pthread_mutex_unlock(&m->lock);
	follow_wake(m);
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
	changed_free(&follow->views);
	notice_deinit(m);
	close(follow->done_fd);
	pthread_cond_destroy(&follow->wake);
}
