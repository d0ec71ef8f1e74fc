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
		due->reads[due->n_reads++] = (struct due_read){f, follower_take(f)};
	}
	if (w->poll)
		due->polls[due->n_polls++] = follower_take_poll(f);
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
	struct seen now = follower_state(m, view);
	struct due due = {0};

	pthread_mutex_lock(&m->lock);
	bool room = make_room(m, &due);
	for (struct file *f = m->follow.files, *next; f && room; f = next) {
		next = f->follower.next;
		if (follower_is_due(f, view, &now))
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

/* Tells the followers of the log and of one view, in turn; under the lock, which is released in between. False: there is nobody to be
 * told. */
static bool tell_changes(struct mount *m)
{
	struct follow *follow = &m->follow;
	char view[LIMIT_NAME + 1];
	size_t n = 0;

	if (!follow->log_changed && !follow->views)
		return false;
	if (clock_us() < follow->next_tell) {
		sleep_until(m, follow->next_tell);
		return true;
	}
	bool log = take_flag(&follow->log_changed), any = changed_take(&follow->views, view);
	pthread_mutex_unlock(&m->lock);
	if (log)
		n += tell(m, NULL);
	if (any)
		n += tell(m, view);
	pthread_mutex_lock(&m->lock);
	follow->next_tell = n > TELL_FEW ? clock_us() + n * TELL_PAUSE_US : 0;
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
		if (!notice_go(m) && !told)
			sleep_until(m, notice_next(m));
	}
	pthread_mutex_unlock(&m->lock);
	tell_all(m);
	notice_stop(m);
	if (eventfd_write(follow->done_fd, 1) < 0)
		abort(); /* an eventfd that counts to one */
	return NULL;
}

/* The thread is left alone where it has nothing new to do: each time that it wakes up, for every event, is taken from whoever reads
 * what has changed. Who begins to wait looks for himself. */
static void log_changed(struct mount *m, bool notice)
{
	pthread_mutex_lock(&m->lock);
	bool wake = m->follow.files;
	m->follow.log_changed |= wake;
	if (notice)
		wake |= notice_want_log(m);
	pthread_mutex_unlock(&m->lock);
	if (wake)
		follow_wake(m);
}

static void view_changed(struct mount *m, const char *view, bool notice)
{
	pthread_mutex_lock(&m->lock);
	bool wake = m->follow.files;
	if (wake)
		changed_add(&m->follow.views, view);
	if (notice)
		wake |= notice_want_view(m, view);
	pthread_mutex_unlock(&m->lock);
	if (wake)
		follow_wake(m);
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
