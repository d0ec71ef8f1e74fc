#include "fs/mtime.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "fs/mount.h"

static struct timespec birth_of(int fd, struct timespec otherwise)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) < 0 || !(st.stx_mask & STATX_BTIME))
		return otherwise;
	return (struct timespec){.tv_sec = st.stx_btime.tv_sec, .tv_nsec = st.stx_btime.tv_nsec};
}

void mtime_init(struct mount *m)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	m->mtimes = (struct mtimes){.rejected = now};
	pthread_mutex_init(&m->mtimes.lock, NULL);
	status_clock_init(&m->status, &now);
}

void mtime_deinit(struct mount *m)
{
	status_clock_deinit(&m->status);
	pthread_mutex_destroy(&m->mtimes.lock);
}

void mtime_begin(struct mount *m)
{
	m->mtimes.born = birth_of(m->data_fd, m->mtimes.rejected);
	m->mtimes.log = clock_of_ns(eventlog_changed(m->log));
	m->mtimes.log_off = eventlog_head(m->log).off;
}

struct timespec mtime_log(struct mount *m)
{
	uint64_t off = eventlog_head(m->log).off;

	pthread_mutex_lock(&m->mtimes.lock);
	struct timespec log = m->mtimes.log;
	bool same = m->mtimes.log_off == off;
	pthread_mutex_unlock(&m->mtimes.lock);
	if (same)
		return log;
	/* Asked for once for each head, so that a rotation, which puts another file in its place, changes
	 * nothing. */
	uint64_t changed = eventlog_changed(m->log);
	pthread_mutex_lock(&m->mtimes.lock);
	if (changed && m->mtimes.log_off < off) {
		m->mtimes.log = clock_of_ns(changed);
		m->mtimes.log_off = off;
	}
	log = m->mtimes.log;
	pthread_mutex_unlock(&m->mtimes.lock);
	return log;
}

struct timespec mtime_rejected(struct mount *m)
{
	pthread_mutex_lock(&m->mtimes.lock);
	struct timespec rejected = m->mtimes.rejected;
	pthread_mutex_unlock(&m->mtimes.lock);
	return rejected;
}

void mtime_note_rejected(struct mount *m)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&m->mtimes.lock);
	m->mtimes.rejected = now;
	pthread_mutex_unlock(&m->mtimes.lock);
}

struct timespec mtime_max(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec) ? a : b;
}
