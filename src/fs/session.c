#include "fs/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

int session_run(struct fuse_session *se, struct mount *m, int stop_fd)
{
	auto_close int mounts = m->notice.mnt ? open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) : -1;
	struct pollfd fds[] = {
		{ .fd = fuse_session_fd(se), .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN },
		{ .fd = m->follow.done_fd, .events = POLLIN },
		{ .fd = mounts, .events = POLLPRI },
		{ .fd = m->deferred.ready_fd, .events = POLLIN },
	};
	struct fuse_buf buf = { 0 };
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
