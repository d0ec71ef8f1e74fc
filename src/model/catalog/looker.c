#include "model/catalog/looker.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "model/link/helper_process.h"

int looker_start(struct looker *l, const char *path, bool quiet, enum definition_sort sort, uint64_t zone,
		 int data_fd, int inotify)
{
	const struct message hello = {.type = MSG_HELLO, .kind = sort, .identity = zone};
	const int fds[] = {data_fd, inotify};

	*l = (struct looker){.pidfd = -1, .socket = -1, .in = l->in};
	int r = helper_process_start(path, "looker", (struct helper_options){.quiet = quiet}, &l->socket,
				     &l->pid);
	if (r < 0)
		return r;
	l->pidfd = pidfd_open(l->pid, 0);
	return proto_send(l->socket, &hello, (struct slice){0}, fds, 2, false);
}

int looker_ask(struct looker *l, const struct look_request *request)
{
	const struct message m = {.type = MSG_LOOK};

	return proto_send(l->socket, &m, (struct slice){(const char *)request, sizeof(*request)}, NULL, 0,
			  false);
}

int looker_receive(struct looker *l, struct look_answer *ret, int *ret_fd)
{
	struct packet p;

	*ret_fd = -1;
	int r = proto_receive(l->socket, &l->in, &p);
	if (r != 0)
		return r < 0 ? -EPIPE : r;
	if (p.message.type != MSG_LOOKED || p.text.len != sizeof(*ret)) {
		packet_deinit(&p);
		return -EPIPE;
	}
	memcpy(ret, p.text.data, sizeof(*ret));
	if (p.n_fds > 0)
		*ret_fd = p.fds[--p.n_fds];
	else if (p.lost_fds)
		ret->error = -EMFILE;
	packet_deinit(&p);
	return 0;
}

int looker_abandon(struct looker *l, pid_t *ret_pid)
{
	int pidfd = take_fd(&l->pidfd);

	kill(l->pid, SIGKILL);
	*ret_pid = l->pid;
	close(l->socket);
	buf_deinit(&l->in);
	*l = (struct looker){.pidfd = -1, .socket = -1};
	return pidfd;
}
