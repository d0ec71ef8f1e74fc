#include "cli/confined.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/link/proto.h"
#include "model/worker/sandbox.h"
#include "store/memfd.h"

/* Where the sandbox expects a worker's socket, and lets nobody close it. */
#define SOCKET 3
#define FIRST_FREE 10

const char *confined_file_name(const char *file)
{
	return strcmp(file, "-") == 0 ? "standard input" : file;
}

/* What the other end says next. False: there is no other end any more. */
static bool receive(int socket, struct buf *buffer, struct packet *p)
{
	struct pollfd wait = {.fd = socket, .events = POLLIN};
	int r;

	do {
		while (poll(&wait, 1, -1) < 0 && errno == EINTR)
			;
		r = proto_receive(socket, buffer, p);
	} while (r == 1);
	return r == 0;
}

/* Address space, not files: standard output may be one. A sanitizer has taken more than any limit before it
 * begins. */
int confined_limit_memory(uint64_t memory)
{
	struct rlimit limit = {memory, memory};
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm && fscanf(statm, "%lu", &pages) != 1)
		pages = 0;
	if (statm)
		fclose(statm);
	uint64_t used = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	if (memory == 0 || used > memory)
		return 0;
	limit.rlim_cur = limit.rlim_max = min(memory, RLIM_INFINITY - used) + used;
	return setrlimit(RLIMIT_AS, &limit) < 0 ? -errno : 0;
}

int confined_copy(const char *path)
{
	auto_close int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_new("reducer");
	char block[1 << 16];
	ssize_t n;

	if (from < 0 || to < 0)
		return from < 0 ? -errno : to;
	while ((n = read(from, block, sizeof(block))) != 0)
		if (n < 0 || write(to, block, (size_t)n) != n)
			return errno ? -errno : -EIO;
	int r = memfd_seal(to);
	if (r < 0)
		return r;
	r = fcntl(to, F_DUPFD_CLOEXEC, FIRST_FREE);
	return r < 0 ? -errno : r;
}

static bool become_child(struct confined *c, pid_t parent, int *ret_status)
{
	struct sandbox sandbox;
	struct diag diag = {0};
	int r;

	if (dup3(c->socket, SOCKET, O_CLOEXEC) < 0 && errno != EINVAL)
		_exit(1);
	c->socket = SOCKET;
	/* It is nobody's without its parent. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	r = confined_limit_memory(c->memory);
	if (r < 0)
		diag_set(&diag, r, "cannot limit memory: %s", strerror(-r));
	else
		r = sandbox_enter(&sandbox, 0, &diag);
	if (r == 0)
		return true;
	fprintf(stderr, "eventfold: no reducer is run: %s\n", diag.text);
	c->place->done = 1;
	*ret_status = 1;
	return false;
}

/* Opens what the child asks for, until it ends. */
static void serve(struct confined *c)
{
	auto_buf struct buf buffer = {0};
	struct packet p;
	uint64_t n = 0;

	while (c->files[n])
		n++;
	while (receive(c->socket, &buffer, &p) && p.message.seq < n) {
		const char *file = c->files[p.message.seq];
		auto_close int fd = strcmp(file, "-") == 0 ? dup(0) : open(file, O_RDONLY | O_CLOEXEC);
		struct message answer = {.size = fd < 0 ? (uint64_t)errno : 0};

		packet_deinit(&p);
		if (proto_send(c->socket, &answer, (struct slice){0}, &fd, fd < 0 ? 0 : 1, true) < 0)
			break;
	}
}

int confined_open(struct confined *c, uint32_t file)
{
	auto_buf struct buf buffer = {0};
	struct message question = {.seq = file};
	struct packet p;

	int r = proto_send(c->socket, &question, (struct slice){0}, NULL, 0, true);
	if (r < 0)
		return r;
	if (!receive(c->socket, &buffer, &p))
		return -EPIPE;
	if (p.n_fds == 0)
		return p.message.size ? -(int)p.message.size : -EMFILE;
	int fd = take_fd(&p.fds[0]);
	packet_deinit(&p);
	return fd;
}

static bool is_request(int sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT || sig == SIGPIPE;
}

/* Which event it was, if it was one, and how the child ended there. */
static void report(const struct confined *c, const char *how)
{
	const struct confined_place *place = c->place;
	uint32_t file = place->file;

	if (place->mark.phase == FOLD_FOLDING && file > 0)
		fprintf(stderr, "eventfold: %s:%llu: the reducer failed: %s\n",
			confined_file_name(c->files[file - 1]),
			(unsigned long long)(place->mark.seq - place->first), how);
	else
		fprintf(stderr, "eventfold: %s: the reducer failed: %s\n", c->reducer, how);
}

static int judge(const struct confined *c, int status)
{
	char how[100];

	if (WIFEXITED(status) && c->place->done)
		return WEXITSTATUS(status);
	if (WIFSIGNALED(status) && is_request(WTERMSIG(status))) {
		/* So it looks from outside as if there were one process. */
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "it ended its process with status %d", WEXITSTATUS(status));
	report(c, how);
	return 1;
}

bool confined_start(struct confined *c, int *ret_status)
{
	int ends[2], status;
	void *map = mmap(NULL, sizeof(*c->place), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*ret_status = 1;
	if (map == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		fprintf(stderr, "eventfold: %s\n", strerror(errno));
		return false;
	}
	c->place = map;
	fflush(NULL);
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		fprintf(stderr, "eventfold: cannot make a process: %s\n", strerror(errno));
	c->socket = ends[pid == 0];
	close(ends[pid != 0]);
	if (pid == 0)
		return become_child(c, parent, ret_status);
	if (pid > 0) {
		sandbox_shield();
		serve(c);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		*ret_status = judge(c, status);
	}
	close(c->socket);
	munmap(c->place, sizeof(*c->place));
	return false;
}
