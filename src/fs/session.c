#include "fs/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include "base/clock.h"

/* Where many wait for the disk, each will be back with its next request a moment after its answer. To let
 * them run until then costs less than to fall asleep and be woken up by each. */
#define MANY 4
#define AWAKE_US 100
#define LOOK_EVERY 256 /* requests, however many there are: something else may have happened */

enum { REQUESTS, STOP, FOLLOWERS_DONE, MOUNTS, DEFERRED, FDS };

/* False: it is time to sleep. `idle`: since when there is nothing to do; 0: since now. */
static bool stay_awake(struct mount *m, uint64_t *idle)
{
	if (committer_waiting(m->committer) < MANY)
		return false;
	uint64_t now = clock_us();
	if (!*idle)
		*idle = now;
	if (now - *idle >= AWAKE_US)
		return false;
	sched_yield();
	return true;
}

/* 1: it is over; 0, or an error. */
static int look_around(struct mount *m, struct pollfd *fds, int timeout)
{
	int n = poll(fds, FDS, timeout);

	if (n <= 0)
		return n < 0 && errno != EINTR ? -errno : 0;
	if (fds[FOLLOWERS_DONE].revents)
		return 1;
	if (fds[MOUNTS].revents)
		notice_mounts_changed(m);
	/* The notify thread may be at work on the mount: requests are answered until it has ended. */
	if (fds[STOP].revents) {
		fds[STOP].fd = -1;
		follow_stop(m);
	}
	return 0;
}

int session_run(struct fuse_session *se, struct mount *m, int stop_fd)
{
	auto_close int mounts =
	    m->notice.raiser.mnt ? open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) : -1;
	struct pollfd fds[FDS] = {
	    [REQUESTS] = {.fd = fuse_session_fd(se), .events = POLLIN},
	    [STOP] = {.fd = stop_fd, .events = POLLIN},
	    [FOLLOWERS_DONE] = {.fd = m->follow.done_fd, .events = POLLIN},
	    [MOUNTS] = {.fd = mounts, .events = POLLPRI},
	    [DEFERRED] = {.fd = m->deferred.ready_fd, .events = POLLIN},
	};
	struct fuse_buf buf = {0};
	unsigned taken = 0;
	uint64_t idle = 0;
	int r = 0;

	notice_mounted(m);
	/* A blocking read could miss a stop that comes just before it. */
	if (fcntl(fds[REQUESTS].fd, F_SETFL, fcntl(fds[REQUESTS].fd, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	while (r == 0 && !fuse_session_exited(se)) {
		if (m->deferred.due)
			deferred_run(m);
		r = fuse_session_receive_buf(se, &buf);
		if (r == 0)
			break;
		if (r > 0) {
			fuse_session_process_buf(se, &buf);
			idle = 0;
			r = ++taken % LOOK_EVERY == 0 ? look_around(m, fds, 0) : 0;
		} else if (r == -EAGAIN || r == -EINTR) {
			r = stay_awake(m, &idle) ? 0 : look_around(m, fds, -1);
		}
	}
	follow_stop(m);
	free(buf.mem);
	return r < 0 ? r : 0;
}
