/* The daemon's end. */
#include <errno.h>
#include <sys/socket.h>

#include "cluster/agent/agent_impl.h"

#define READ_BYTES (256u << 10)

static void hear_all(struct agent *a)
{
	struct frame frame;
	size_t at = 0;
	int r = 0;

	while (a->error == 0 && (r = frame_next(buf_slice(&a->in), &at, &frame)) > 0) {
		order_time(&a->order, clock_ms());
		a->error = agent_hear(a, &frame);
	}
	if (a->error == 0)
		a->error = r;
	buf_drop(&a->in, at);
}

void socket_read(struct agent *a)
{
	if (buf_reserve(&a->in, READ_BYTES) < 0) {
		a->error = -ENOMEM;
		return;
	}
	ssize_t n = recv(a->fd, a->in.data + a->in.len, a->in.cap - a->in.len, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		a->ended = true;
	if (n <= 0)
		return;
	a->in.len += (size_t)n;
	hear_all(a);
}

void socket_write(struct agent *a)
{
	while (!a->ended && a->out_done < a->out.len) {
		ssize_t n = send(a->fd, a->out.data + a->out_done, a->out.len - a->out_done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR)
			a->ended = true;
		a->out_done += n > 0 ? (size_t)n : 0;
	}
	/* Not with each part that goes: moving the rest would cost more than sending it. */
	if (a->out_done > a->out.len / 2) {
		buf_drop(&a->out, a->out_done);
		a->out_done = 0;
	}
}
