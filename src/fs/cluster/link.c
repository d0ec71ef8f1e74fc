/* The agent's end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json_add.h"
#include "fs/cluster/impl.h"
#include "model/link/helper_process.h"
#include "version.h"

#define RECEIVE_BYTES (256u << 10)
#define SOCKET_BYTES (4 << 20)
#define END_MS 500

/* "URL+URL" */
static void add_endpoints(struct buf *b, const char *urls)
{
	json_add_key(b, "endpoints");
	buf_add_char(b, '[');
	for (const char *at = urls, *end; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '+');
		if (at != urls)
			buf_add_char(b, ',');
		buf_add_json(b, (struct slice){at, (size_t)(end - at)});
	}
	buf_add_char(b, ']');
}

/* Under the lock. */
static void write_begin(struct cluster *c, struct buf *b)
{
	const struct cluster_options *o = c->start.options;

	buf_add_char(b, '{');
	json_add_str(b, "log", o->log);
	add_endpoints(b, o->urls);
	json_add_str(b, "machine", c->machine);
	json_add_str(b, "host", c->host);
	json_add_str(b, "path", c->data);
	json_add_str(b, "boot", c->boot);
	json_add_str(b, "kernel", c->kernel);
	json_add_str(b, "config", c->config);
	json_add_key(b, "head");
	buf_add_char(b, '"');
	batch_head_write(&c->delivered, b);
	buf_add_char(b, '"');
	json_add_u64(b, "proposed", c->proposed);
	json_add_u64(b, "window_bytes", o->window_bytes);
	json_add_u64(b, "window_ms", o->window_ms);
	json_add_str(b, "ca", o->ca);
	json_add_str(b, "cert", o->cert);
	json_add_str(b, "key", o->key);
	json_add_str(b, "user", o->user);
	json_add_str(b, "password_file", o->password_file);
	json_add_str(b, "version", EVENTFOLD_VERSION);
	buf_add_char(b, '}');
}

/* All that one has to know who has not been there. */
static int greet(struct cluster *c, pid_t pid)
{
	auto_buf struct buf text = {0};

	pthread_mutex_lock(&c->lock);
	c->status.agent = pid;
	c->status.stage = CLUSTER_JOINING;
	c->status.why[0] = '\0';
	buf_clear(&c->out);
	write_begin(c, &text);
	cluster_post(c, FRAME_BEGIN, buf_slice(&text));
	if (c->proposed)
		cluster_post(c, FRAME_PROPOSE, buf_slice(&c->proposal));
	cluster_post_asks(c);
	int r = buf_error(&text) < 0 ? -ENOMEM : buf_error(&c->out);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int cluster_link_start(struct cluster *c)
{
	const struct helper_options options = {.quiet = c->start.quiet, .stream = true};
	const int bytes = SOCKET_BYTES;
	pid_t pid;

	int r = helper_process_start(c->agent_path, "agent", options, &c->socket, &pid);
	if (r < 0)
		return r;
	/* Where that is not allowed it takes a few turns more. */
	(void)!setsockopt(c->socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	buf_clear(&c->in);
	c->in_done = 0;
	r = fcntl(c->socket, F_SETFL, O_NONBLOCK) < 0 ? -errno : greet(c, pid);
	return r;
}

void cluster_link_stop(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	pid_t pid = c->status.agent;
	c->status.agent = 0;
	pthread_mutex_unlock(&c->lock);
	if (c->socket < 0)
		return;
	close(take_fd(&c->socket));
	if (pid <= 0)
		return;
	/* It gives up its lease, if it can at once, and ends with the socket. */
	auto_close int pid_fd = pidfd_open(pid, 0);
	struct pollfd fd = {.fd = pid_fd, .events = POLLIN};
	if (pid_fd >= 0)
		(void)!poll(&fd, 1, END_MS);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int cluster_link_send(struct cluster *c)
{
	int r = 0;

	pthread_mutex_lock(&c->lock);
	while (r == 0 && c->out.len > 0) {
		ssize_t n = send(c->socket, c->out.data, c->out.len, MSG_NOSIGNAL);
		if (n >= 0)
			buf_drop(&c->out, (size_t)n);
		else if (errno != EINTR)
			r = errno == EAGAIN ? 1 : -EPIPE;
	}
	pthread_mutex_unlock(&c->lock);
	return min(r, 0);
}

/* What is whole of it. */
static int hear_all(struct cluster *c)
{
	struct frame frame;
	int r;

	while ((r = frame_next(buf_slice(&c->in), &c->in_done, &frame)) > 0) {
		r = cluster_hear(c, &frame);
		if (r < 0)
			return r;
	}
	buf_drop(&c->in, c->in_done);
	c->in_done = 0;
	return r;
}

int cluster_link_receive(struct cluster *c)
{
	for (;;) {
		if (buf_reserve(&c->in, RECEIVE_BYTES) < 0)
			return -ENOMEM;
		ssize_t n = read(c->socket, c->in.data + c->in.len, c->in.cap - c->in.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -EPIPE;
		if (n == 0)
			return -EPIPE;
		c->in.len += (size_t)n;
		int r = hear_all(c);
		if (r < 0)
			return r;
	}
}
