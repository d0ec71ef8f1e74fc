#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/prctl.h>

#include "model/catalog/looker.h"
#include "store/memfd.h"

#define IDLE_MS 10000

struct looking {
	int socket, data_fd, inotify;
	enum definition_sort sort;
	struct reach reach;
	uint64_t zone;
};

static int open_dir(const struct looking *l)
{
	int fd = openat(l->data_fd, definition_dir(l->sort), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* *ret_fd: to be kept by the daemon. */
static int look_at_dir(const struct looking *l, struct look_answer *a, int *ret_fd)
{
	char path[32];
	struct stat st;

	auto_close int fd = open_dir(l);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	enum reach_where where = reach_where(&l->reach, fd);
	if (where == REACH_EVENTFOLD)
		return LOOK_EVENTFOLD;
	a->dev = st.st_dev;
	a->ino = st.st_ino;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	a->watch = inotify_add_watch(l->inotify, path, LOOK_WATCHED);
	if (where == REACH_LOCAL)
		*ret_fd = take_fd(&fd);
	return 0;
}

static int look_at_names(const struct looking *l, int *ret_fd)
{
	auto_buf struct buf names = {0};

	int fd = open_dir(l);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int error = fd < 0 ? fd : -errno;
		closep(&fd);
		return error;
	}
	errno = 0;
	for (struct dirent *d; (d = readdir(dir)); errno = 0)
		buf_add(&names, d->d_name, strlen(d->d_name) + 1);
	int r = -errno;
	closedir(dir);
	if (r == 0)
		r = buf_error(&names);
	if (r == 0)
		r = *ret_fd = memfd_of("names", buf_slice(&names));
	return min(r, 0);
}

static int look_at_file(const struct looking *l, struct look_request *request, struct look_answer *a,
			int *ret_fd)
{
	struct definition *known = request->any ? &request->known : NULL, *def;

	if (known)
		known->refs = 2; /* this frame's, and one to be given away */
	auto_close int dirfd = open_dir(l);
	if (dirfd < 0)
		return dirfd;
	int r = definition_look(&l->reach, l->sort, l->zone, dirfd, request->name, known, &def);
	if (r < 0) {
		definition_unref(def);
		return r;
	}
	a->any = def;
	a->same = def && def == known;
	if (!def || a->same)
		return 0;
	a->def = *def;
	r = def->why.text[0] ? 0 : (*ret_fd = definition_memfd(def));
	definition_unref(def);
	return min(r, 0);
}

static int answer(const struct looking *l, struct packet *p)
{
	const struct message m = {.type = MSG_LOOKED};
	struct look_answer a = {0};
	struct look_request request;
	auto_close int fd = -1;

	if (p->text.len != sizeof(request))
		return -EPROTO;
	memcpy(&request, p->text.data, sizeof(request));
	a.what = request.what;
	if (request.what == LOOK_DIR)
		a.error = look_at_dir(l, &a, &fd);
	else if (request.what == LOOK_NAMES)
		a.error = look_at_names(l, &fd);
	else
		a.error = look_at_file(l, &request, &a, &fd);
	return proto_send(l->socket, &m, (struct slice){(const char *)&a, sizeof(a)}, &fd, fd >= 0 ? 1 : 0,
			  true);
}

static int handle(struct looking *l, struct packet *p)
{
	if (p->message.type == MSG_LOOK)
		return answer(l, p);
	if (p->message.type != MSG_HELLO || p->n_fds != 2 || l->data_fd >= 0)
		return -EPROTO;
	l->data_fd = take_fd(&p->fds[0]);
	l->inotify = take_fd(&p->fds[1]);
	p->n_fds = 0;
	l->reach = (struct reach){.anywhere = true, .home = reach_mount_of(l->data_fd)};
	l->sort = p->message.kind;
	l->zone = p->message.identity;
	return 0;
}

int looker_main(int socket)
{
	struct looking l = {.socket = socket, .data_fd = -1, .inotify = -1};
	struct pollfd fd = {.fd = socket, .events = POLLIN};
	auto_buf struct buf in = {0};
	int r = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	/* Nothing of where the daemon was started is held. */
	if (chdir("/") < 0)
		return 1;
	while (r >= 0 && poll(&fd, 1, IDLE_MS) != 0) {
		struct packet p;
		r = proto_receive(socket, &in, &p);
		if (r == 0) {
			r = handle(&l, &p);
			packet_deinit(&p);
		}
	}
	return r < 0 && r != -EPIPE ? 1 : 0;
}
