#include <errno.h>
#include <sys/socket.h>

#include "model/link/proto.h"

#define PACKET_MAX (sizeof(struct message) + PROTO_INLINE + 4096)

void slot_write(struct slot *s, const struct slot_value *v)
{
	uint32_t turn = atomic_load_explicit(&s->turn, memory_order_relaxed) | 1;

	/* Each release store stays behind the stores before it, so no field is seen new under an even old
	 * turn. */
	atomic_store_explicit(&s->turn, turn, memory_order_relaxed);
	atomic_store_explicit(&s->view, v->view, memory_order_release);
	atomic_store_explicit(&s->off, v->pos.off, memory_order_release);
	atomic_store_explicit(&s->seq, v->pos.seq, memory_order_release);
	atomic_store_explicit(&s->hash, v->pos.hash, memory_order_release);
	atomic_store_explicit(&s->version, v->version, memory_order_release);
	atomic_store_explicit(&s->folded, v->folded, memory_order_release);
	atomic_store_explicit(&s->rate, v->rate, memory_order_release);
	atomic_store_explicit(&s->holes, v->holes, memory_order_release);
	atomic_store_explicit(&s->turn, turn + 1, memory_order_release);
}

bool slot_read(struct slot *s, struct slot_value *ret)
{
	for (unsigned tries = 0; tries < 100; tries++) {
		uint32_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);
		ret->view = atomic_load_explicit(&s->view, memory_order_acquire);
		ret->pos.off = atomic_load_explicit(&s->off, memory_order_acquire);
		ret->pos.seq = atomic_load_explicit(&s->seq, memory_order_acquire);
		ret->pos.hash = atomic_load_explicit(&s->hash, memory_order_acquire);
		ret->version = atomic_load_explicit(&s->version, memory_order_acquire);
		ret->folded = atomic_load_explicit(&s->folded, memory_order_acquire);
		ret->rate = atomic_load_explicit(&s->rate, memory_order_acquire);
		ret->holes = atomic_load_explicit(&s->holes, memory_order_acquire);
		if ((turn & 1) == 0 && atomic_load_explicit(&s->turn, memory_order_acquire) == turn)
			return true;
	}
	return false;
}

void packet_deinit(struct packet *p)
{
	while (p->n_fds > 0)
		closep(&p->fds[--p->n_fds]);
}

int proto_send(int socket, const struct message *m, struct slice text, const int *fds, unsigned n_fds,
	       bool wait)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * PROTO_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec parts[] = {{(void *)m, sizeof(*m)}, {(void *)text.data, text.len}};
	struct msghdr header = {.msg_iov = parts, .msg_iovlen = text.len > 0 ? 2 : 1};

	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		header.msg_control = control.space;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		if (sendmsg(socket, &header, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) >= 0)
			return 0;
		if (errno != EINTR)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
}

static void take_fds(struct msghdr *header, struct packet *p)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (unsigned i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (p->n_fds < PROTO_FDS)
				p->fds[p->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

int proto_receive(int socket, struct buf *buffer, struct packet *ret)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * PROTO_FDS)];
		struct cmsghdr align;
	} control;
	ssize_t n;

	ret->n_fds = 0;
	ret->lost_fds = false;
	buf_clear(buffer);
	int r = buf_reserve(buffer, PACKET_MAX);
	if (r < 0)
		return r;
	struct iovec parts[] = {{&ret->message, sizeof(ret->message)}, {buffer->data, PACKET_MAX}};
	struct msghdr header = {.msg_iov = parts,
				.msg_iovlen = 2,
				.msg_control = control.space,
				.msg_controllen = sizeof(control.space)};
	do
		n = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : errno == ECONNRESET ? -EPIPE : -errno;
	take_fds(&header, ret);
	if (n == 0)
		return -EPIPE;
	if ((size_t)n < sizeof(ret->message) || (header.msg_flags & MSG_TRUNC)) {
		packet_deinit(ret);
		return -EPROTO;
	}
	/* Control space is large enough: descriptors were wanting. */
	ret->lost_fds = header.msg_flags & MSG_CTRUNC;
	if (ret->lost_fds)
		packet_deinit(ret);
	buffer->len = (size_t)n - sizeof(ret->message);
	ret->text = buf_slice(buffer);
	return 0;
}
