#include "fs/notice.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "fs/mount.h"

/* Raising inotify costs the fuse thread several requests, and whoever is told reads: all others wait in line meanwhile. A change after a
 * time without any is told of at once. While changes keep coming, the time until the next notice doubles, up to a limit. */
#define NOTICE_QUIET_US 2500
#define NOTICE_PAUSE_US 500
#define NOTICE_PAUSE_MAX_US 16000

/* Which filesystem a path or descriptor is on, without asking our own fuse thread for attributes. 0: gone. */
static dev_t device_of(int fd, const char *path)
{
	struct statx st;

	if (statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

/* Is it mounted anywhere that this process sees? */
static bool is_mounted(dev_t dev)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	bool found = false;
	size_t size = 0;

	if (!mounts)
		return true;
	while (!found && getline(&line, &size, mounts) > 0) {
		unsigned major, minor;
		found = sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 && makedev(major, minor) == dev;
	}
	fclose(mounts);
	return found;
}

/* MODIFY and CLOSE_WRITE on the file at `path` below the mount. */
static void raise_one(struct notice *n, const char *path)
{
	static const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	char full[PATH_MAX];

	if (!n->dev)
		return;
	if (snprintf(full, sizeof(full), "%s/%s", n->mnt, path) >= (int)sizeof(full))
		return;
	/* Opened anew each time: a descriptor kept would make an unmount fail as busy. The mount may be gone meanwhile, and the path
	 * another file's: that one is left alone. */
	int fd = open(full, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Setting only mtime is what raises MODIFY; a notice that fails is one that nobody can hear. */
	if (device_of(fd, "") == n->dev)
		(void)!futimens(fd, times);
	close(fd);
}

/* Under the lock: a notice is wanted. False: it was already. */
static bool pace_want(struct pace *p)
{
	if (p->wanted)
		return false;
	uint64_t now = clock_us();
	p->wanted = true;
	if (now >= p->last + NOTICE_QUIET_US) {
		p->next = now;
		p->pause = NOTICE_PAUSE_US;
	} else {
		p->next = p->last + p->pause;
		p->pause = min(2 * p->pause, (uint64_t)NOTICE_PAUSE_MAX_US);
	}
	return true;
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
	char path[LIMIT_NAME + 16], view[LIMIT_NAME + 1];
	bool log = n->raise_log;

	n->raise_log = false;
	while (log || changed_take(&n->raise_views, view)) {
		snprintf(path, sizeof(path), log ? "events/app" : "views/%s.json", view);
		log = false;
		pthread_mutex_unlock(&m->lock);
		raise_one(n, path);
		pthread_mutex_lock(&m->lock);
	}
}

/* Under the lock, which is released in between. */
static void check_mounts(struct mount *m)
{
	struct notice *n = &m->notice;

	n->check_mounts = false;
	pthread_mutex_unlock(&m->lock);
	bool gone = n->dev && !is_mounted(n->dev);
	pthread_mutex_lock(&m->lock);
	if (gone)
		follow_detach(m);
}

/* It is a user of the mount that it is a part of: were the daemon killed while this thread waits for it, or has a file of the mount open,
 * the kernel would wait for an answer from the dead for as long as a descriptor of /dev/fuse stays open in here. So it has a table of
 * descriptors of its own, with none of the daemon's. */
static void *notice_thread(void *arg)
{
	struct mount *m = arg;
	struct notice *n = &m->notice;

	n->tid = (pid_t)syscall(SYS_gettid);
	(void)!close_range(m->options.quiet ? 0 : STDERR_FILENO + 1, ~0u, CLOSE_RANGE_UNSHARE);
	pthread_mutex_lock(&m->lock);
	while (n->raising || n->check_mounts || !n->stop) {
		if (n->check_mounts) {
			check_mounts(m);
		} else if (n->raising) {
			raise_all(m);
			n->raising = false;
			follow_wake(m);
		} else {
			pthread_cond_wait(&n->wake, &m->lock);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

bool notice_want_log(struct mount *m)
{
	return pace_want(&m->notice.log_pace);
}

bool notice_want_view(struct mount *m, const char *view)
{
	m->notice.all_views |= !changed_add(&m->notice.views, view);
	return pace_want(&m->notice.views_pace);
}

bool notice_go(struct mount *m)
{
	struct notice *n = &m->notice;

	if (n->raising)
		return false;
	n->raise_log = pace_take(&n->log_pace);
	if (pace_take(&n->views_pace))
		n->raise_views = take_ptr(n->views);
	n->raising = n->raise_log || n->raise_views;
	if (n->raising)
		pthread_cond_signal(&n->wake);
	return n->raising;
}

uint64_t notice_next(const struct mount *m)
{
	const struct notice *n = &m->notice;
	uint64_t log = n->log_pace.wanted ? n->log_pace.next : UINT64_MAX;
	uint64_t views = n->views_pace.wanted ? n->views_pace.next : UINT64_MAX;

	return n->raising ? UINT64_MAX : min(log, views);
}

bool notice_is_its(const struct mount *m, pid_t tid)
{
	return tid != 0 && tid == m->notice.tid;
}

void notice_init(struct mount *m, const char *mnt)
{
	m->notice.mnt = mnt;
	pthread_cond_init(&m->notice.wake, NULL);
}

int notice_start(struct mount *m)
{
	return -pthread_create(&m->notice.thread, NULL, notice_thread, m);
}

void notice_mounted(struct mount *m)
{
	if (m->notice.mnt)
		m->notice.dev = device_of(AT_FDCWD, m->notice.mnt);
}

void notice_mounts_changed(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	m->notice.check_mounts = true;
	pthread_mutex_unlock(&m->lock);
	pthread_cond_signal(&m->notice.wake);
}

void notice_stop(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	m->notice.stop = true;
	pthread_mutex_unlock(&m->lock);
	pthread_cond_signal(&m->notice.wake);
	pthread_join(m->notice.thread, NULL);
}

void notice_deinit(struct mount *m)
{
	changed_free(&m->notice.views);
	changed_free(&m->notice.raise_views);
	pthread_cond_destroy(&m->notice.wake);
}
