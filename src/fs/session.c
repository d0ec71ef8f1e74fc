#include "fs/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include "base/clock.h"

/* Where many wait for the disk, each will be back with its next request a moment after its answer. To let them run until then costs
 * less than to fall asleep and be woken up by each. */
#define MANY 4
#define AWAKE_US 100

/* `idle`: since when there is nothing to do; 0: since now. */
static bool stays_awake(struct mount *m, uint64_t *idle)
{
	if (committer_waiting(m->committer) < MANY)
		return false;
	uint64_t now = clock_us();
	if (!*idle)
		*idle = now;
	return now - *idle < AWAKE_US;
}

int session_run(struct fuse_session *se, struct mount *m, int stop_fd)
{
	auto_close int mounts = m->notice.mnt ? open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) : -1;
	struct pollfd fds[] = {
	    {.fd = fuse_session_fd(se), .events = POLLIN},  {.fd = stop_fd, .events = POLLIN},
	    {.fd = m->follow.done_fd, .events = POLLIN},    {.fd = mounts, .events = POLLPRI},
	    {.fd = m->deferred.ready_fd, .events = POLLIN},
	};
	struct fuse_buf buf = {0};
	uint64_t idle = 0;
	int r = 0;

	notice_mounted(m);
	/* A blocking read could miss a stop that comes just before it. */
	if (fcntl(fds[0].fd, F_SETFL, fcntl(fds[0].fd, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	while (!fuse_session_exited(se)) {
		if (m->deferred.due)
			deferred_run(m);
		r = fuse_session_receive_buf(se, &buf);
		if (r > 0) {
			fuse_session_process_buf(se, &buf);
			idle = 0;
			continue;
		}
		if (r == -EAGAIN && stays_awake(m, &idle)) {
			sched_yield();
			continue;
		}
		if (r == 0)
			break;
		if (r != -EAGAIN && r != -EINTR)
			break;
		r = 0;
		if (poll(fds, countof(fds), -1) < 0 && errno != EINTR) {
			r = -errno;
			break;
		}
		if (fds[2].revents)
			break;
		if (fds[3].revents)
			notice_mounts_changed(m);
		/* The notify thread may be at work on the mount: requests are answered until it has ended. */
		if (fds[1].revents) {
			fds[1].fd = -1;
			follow_stop(m);
		}
	}
	follow_stop(m);
	free(buf.mem);
	return r < 0 ? r : 0;
}
