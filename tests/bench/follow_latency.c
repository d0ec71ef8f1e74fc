/* From the return of the writer's write to the follower's wake-up.
 *
 *	follow_latency WAY APP FILE N
 *
 * A process appends N events to APP, one at a time; another one follows FILE by WAY (read, poll, epoll or
 *inotify) and takes the time when it wakes up. In turns with that, what waking it takes at all: through a
 *pipe, from before the write. Prints two lines of nanoseconds, "pipe" and "follow"; a follower that was there
 *before the writer counts as 0. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_US 500 /* after the follower has said that it is about to wait */
/* Between changes that inotify tells of: several within a moment may share a notice. */
#define QUIET_US 4000
#define LIMIT_NS 10000000000u

struct shared {
	_Atomic size_t ready; /* waits that the follower has begun */
	_Atomic size_t woken; /* and ended */
	uint64_t woken_at;
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "follow_latency: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void read_out(int fd)
{
	char text[65536];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0)
		;
	if (n < 0 && errno != EAGAIN)
		die("read");
}

/* A wait is over; what there is to know has been read once `after` returns. */
struct way {
	const char *name;
	int (*begin)(int fd, const char *path); /* what `wait` and `after` are given */
	void (*wait)(int fd, int waiter);
	void (*after)(int fd, int waiter);
};

static int begin_none(int fd, const char *path)
{
	return -1;
}

static void wait_read(int fd, int waiter)
{
	char text[65536];

	if (read(fd, text, sizeof(text)) <= 0)
		die("read");
}

static void after_none(int fd, int waiter)
{
}

static int begin_poll(int fd, const char *path)
{
	read_out(fd);
	return -1;
}

static void wait_poll(int fd, int waiter)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, -1) != 1)
		die("poll");
}

/* On with the log, which has a place to go on from; all else from its start. */
static void after_poll(int fd, int waiter)
{
	char text[65536];
	off_t at = lseek(fd, 0, SEEK_CUR);

	if (read(fd, text, sizeof(text)) > 0)
		return;
	if (at < 0 || lseek(fd, 0, SEEK_SET) < 0)
		die("lseek");
	read_out(fd);
}

static int begin_epoll(int fd, const char *path)
{
	struct epoll_event e = {.events = EPOLLIN};
	int epoll = epoll_create1(0);

	read_out(fd);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll");
	return epoll;
}

static void wait_epoll(int fd, int waiter)
{
	struct epoll_event e;

	if (epoll_wait(waiter, &e, 1, -1) != 1)
		die("epoll_wait");
}

static int begin_inotify(int fd, const char *path)
{
	int inotify = inotify_init();

	if (inotify < 0 || inotify_add_watch(inotify, path, IN_MODIFY | IN_CLOSE_WRITE) < 0)
		die("inotify");
	return inotify;
}

static void wait_inotify(int fd, int waiter)
{
	struct pollfd p = {.fd = waiter, .events = POLLIN};

	if (poll(&p, 1, -1) != 1)
		die("poll");
}

static void after_inotify(int fd, int waiter)
{
	char text[4096];
	bool closed = false;

	while (!closed) {
		ssize_t n = read(waiter, text, sizeof(text));
		if (n <= 0)
			die("inotify");
		for (char *at = text; at < text + n;) {
			struct inotify_event e;
			memcpy(&e, at, sizeof(e));
			closed |= (e.mask & IN_CLOSE_WRITE) != 0;
			at += sizeof(e) + e.len;
		}
	}
	usleep(QUIET_US);
}

static const struct way ways[] = {
    {"read", begin_none, wait_read, after_none},
    {"poll", begin_poll, wait_poll, after_poll},
    {"epoll", begin_epoll, wait_epoll, after_poll},
    {"inotify", begin_inotify, wait_inotify, after_inotify},
};

/* Even waits are on the pipe, odd ones on the file. */
static void follow(struct shared *s, const struct way *way, const char *path, int pipe, size_t n)
{
	int fd = open(path, strcmp(way->name, "read") == 0 ? O_RDONLY : O_RDONLY | O_NONBLOCK);
	char byte;

	if (fd < 0)
		die(path);
	int waiter = way->begin(fd, path);
	for (size_t i = 0; i < 2 * n; i++) {
		atomic_store(&s->ready, i + 1);
		if (i % 2)
			way->wait(fd, waiter);
		else if (read(pipe, &byte, 1) != 1)
			die("pipe");
		s->woken_at = now();
		atomic_store(&s->woken, i + 1);
		if (i % 2)
			way->after(fd, waiter);
	}
}

static void await(_Atomic size_t *what, size_t value)
{
	uint64_t begin = now();

	while (atomic_load(what) < value) {
		if (now() - begin > LIMIT_NS) {
			errno = ETIMEDOUT;
			die("the follower");
		}
		usleep(50);
	}
}

static uint64_t woken_after(struct shared *s, size_t i, uint64_t since)
{
	await(&s->woken, i + 1);
	return s->woken_at > since ? s->woken_at - since : 0;
}

static void sample(struct shared *s, size_t i, int app, int pipe, uint64_t *pipe_ns, uint64_t *follow_ns)
{
	char line[128];
	int len = snprintf(line, sizeof(line),
			   "{\"type\":\"page_viewed\",\"data\":{\"user\":%zu},\"ts\":1700000000}\n", i);

	await(&s->ready, 2 * i + 1);
	usleep(SETTLE_US);
	uint64_t begin = now();
	if (write(pipe, "", 1) != 1)
		die("pipe");
	*pipe_ns = woken_after(s, 2 * i, begin);

	await(&s->ready, 2 * i + 2);
	usleep(SETTLE_US);
	if (write(app, line, (size_t)len) != len)
		die("append");
	*follow_ns = woken_after(s, 2 * i + 1, now());
}

static void print_series(const char *name, const uint64_t *values, size_t n)
{
	printf("%s", name);
	for (size_t i = 0; i < n; i++)
		printf(" %llu", (unsigned long long)values[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	const struct way *way = NULL;
	int ends[2], status;

	for (size_t i = 0; argc == 5 && i < sizeof(ways) / sizeof(*ways); i++)
		if (strcmp(argv[1], ways[i].name) == 0)
			way = &ways[i];
	if (!way)
		return 2;
	size_t n = strtoul(argv[4], NULL, 10);
	uint64_t *pipe_ns = calloc(n, sizeof(*pipe_ns)), *follow_ns = calloc(n, sizeof(*follow_ns));
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int app = open(argv[2], O_WRONLY | O_APPEND);
	if (!pipe_ns || !follow_ns || s == MAP_FAILED || app < 0 || pipe(ends) < 0)
		die(argv[2]);
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		follow(s, way, argv[3], ends[0], n);
		_exit(0);
	}
	for (size_t i = 0; i < n; i++)
		sample(s, i, app, ends[1], &pipe_ns[i], &follow_ns[i]);
	print_series("pipe", pipe_ns, n);
	print_series("follow", follow_ns, n);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}
