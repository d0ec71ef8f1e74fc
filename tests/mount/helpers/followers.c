/* followers MNT FOLLOWERS EVENTS SECONDS: appends EVENTS alone, then as many while so many followers of all
 * kinds watch. Each follower of the log wants every event in order, each of a view or a position its last
 * state. Prints "alone RATE together RATE last MS": events a second, and how long after the last append the
 * last follower was done. Exit 1: somebody has missed something. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define LINE "{\"type\":\"page_viewed\",\"data\":{\"n\":1%07u},\"ts\":1700000000}\n"
#define LINE_LEN 61

struct all {
	const char *mnt;
	unsigned events;
	uint64_t begin_off, end_off; /* of the part that is followed */
	unsigned begin_n, end_n;
	_Atomic unsigned ready, done, wrong;
};

enum how { READ, POLL, EPOLL, INOTIFY };

static const struct kind {
	const char *path;
	enum how how;
	/* NULL: the log; else what the last state begins with: the number of events, or the end's offset */
	const char *last;
	bool of_events;
} kinds[] = {
    {"tail/app", READ, NULL, false},
    {"events/app", POLL, NULL, false},
    {"views/count.json", POLL, "{\"count\":%llu}", true},
    {"tail/app@", READ, NULL, false},
    {"views/count.offset", EPOLL, "%llu\n", false},
    {"events/app", EPOLL, NULL, false},
    {"tail/count.json", READ, "{\"count\":%llu}", true},
    {"head/app", POLL, "%llu:", false},
    {"views/count.json", INOTIFY, "{\"count\":%llu}", true},
    {"tail/app", POLL, NULL, false},
};

/* A user has 128 instances of inotify on many a machine, and others want some, too: whoever is above this
 * polls. */
#define INOTIFY_MAX 40

struct follower {
	struct all *all;
	const struct kind *kind;
	enum how how;
	pthread_t thread;
	bool done;
};

static void die(const char *what)
{
	fprintf(stderr, "followers: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_followed(struct follower *f, char *path, size_t size)
{
	const struct all *a = f->all;
	bool at = f->kind->path[strlen(f->kind->path) - 1] == '@';

	snprintf(path, size, "%s/%s", a->mnt, f->kind->path);
	if (at)
		snprintf(path + strlen(path), size - strlen(path), "%llu", (unsigned long long)a->begin_off);
	int fd = open(path, f->how == READ ? O_RDONLY : O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		die(path);
	if (strcmp(f->kind->path, "events/app") == 0 && lseek(fd, (off_t)a->begin_off, SEEK_SET) < 0)
		die(path);
	return fd;
}

/* What waits, for the ways that have a descriptor of their own. */
static int open_waiter(enum how how, int fd, const char *path)
{
	struct epoll_event e = {.events = EPOLLIN};
	int waiter = how == EPOLL ? epoll_create1(0) : how == INOTIFY ? inotify_init1(IN_NONBLOCK) : fd;

	if (waiter < 0 || (how == EPOLL && epoll_ctl(waiter, EPOLL_CTL_ADD, fd, &e) < 0) ||
	    (how == INOTIFY && inotify_add_watch(waiter, path, IN_MODIFY) < 0))
		die(path);
	return waiter;
}

static void wait_for_change(enum how how, int waiter)
{
	struct pollfd p = {.fd = waiter, .events = POLLIN};
	struct epoll_event e;
	char events[4096];

	if (how == READ)
		return;
	if (how == EPOLL ? epoll_wait(waiter, &e, 1, -1) != 1 : poll(&p, 1, -1) != 1)
		die("wait");
	while (how == INOTIFY && read(waiter, events, sizeof(events)) > 0)
		;
}

/* Checks what the log has given, bytes [*pos, *pos + len) of the followed part. False: it is not that. */
static bool is_next(const struct all *a, uint64_t *pos, const char *data, size_t len)
{
	char line[128];

	while (len > 0) {
		size_t at = *pos % LINE_LEN, part = LINE_LEN - at < len ? LINE_LEN - at : len;
		snprintf(line, sizeof(line), LINE, a->begin_n + (unsigned)(*pos / LINE_LEN));
		if (memcmp(line + at, data, part) != 0)
			return false;
		*pos += part;
		data += part;
		len -= part;
	}
	return true;
}

static bool follow_log(struct follower *f, int fd, int waiter)
{
	struct all *a = f->all;
	uint64_t pos = 0;
	bool ended = false;
	char *data = malloc(65536);

	while (a->begin_off + pos < a->end_off) {
		wait_for_change(f->how, waiter);
		ssize_t n = read(fd, data, 65536);
		/* Of a plain file the end is told, too: once, since this one reads on. */
		if ((n < 0 && errno == EAGAIN) || (n == 0 && !ended)) {
			ended |= n == 0;
			continue;
		}
		if (n <= 0)
			die(f->kind->path);
		if (!is_next(a, &pos, data, (size_t)n))
			return false;
	}
	free(data);
	return true;
}

/* False: it has gone back. */
static bool follow_state(struct follower *f, int fd, int waiter)
{
	const struct all *a = f->all;
	unsigned long long wanted = f->kind->of_events ? a->end_n : a->end_off, got = 0, last = 0;
	char text[256];

	/* Once before the first wait: what has changed between the open and a watch is told to nobody. */
	for (bool first = true; got != wanted; first = false) {
		if (!first)
			wait_for_change(f->how, waiter);
		if (f->how != READ && lseek(fd, 0, SEEK_SET) < 0)
			die(f->kind->path);
		ssize_t n = read(fd, text, sizeof(text) - 1);
		if (n <= 0)
			die(f->kind->path);
		text[n] = '\0';
		if (sscanf(text, f->kind->last, &got) != 1 || got < last)
			return false;
		last = got;
	}
	return true;
}

static void *follow(void *arg)
{
	struct follower *f = arg;
	char path[4096];

	int fd = open_followed(f, path, sizeof(path));
	int waiter = open_waiter(f->how, fd, path);
	atomic_fetch_add(&f->all->ready, 1);
	if (!(f->kind->last ? follow_state(f, fd, waiter) : follow_log(f, fd, waiter)))
		atomic_fetch_add(&f->all->wrong, 1);
	f->done = true;
	atomic_fetch_add(&f->all->done, 1);
	if (waiter != fd)
		close(waiter);
	close(fd);
	return NULL;
}

static double append(const struct all *a, unsigned from)
{
	char path[4096], line[128];

	snprintf(path, sizeof(path), "%s/events/app", a->mnt);
	int fd = open(path, O_WRONLY | O_APPEND);
	if (fd < 0)
		die(path);
	uint64_t begin = now_ns();
	for (unsigned i = 0; i < a->events; i++) {
		int len = snprintf(line, sizeof(line), LINE, from + i);
		if (len != LINE_LEN || write(fd, line, LINE_LEN) != LINE_LEN)
			die(path);
	}
	close(fd);
	return a->events * 1e9 / (double)(now_ns() - begin);
}

static void await(_Atomic unsigned *what, unsigned value, uint64_t until, const struct follower *followers)
{
	while (atomic_load(what) < value) {
		usleep(1000);
		if (now_ns() < until)
			continue;
		for (unsigned i = 0; i < value; i++)
			if (!followers[i].done)
				fprintf(stderr, "%s is not done\n", followers[i].kind->path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	unsigned n = (unsigned)atoi(argv[2]), n_inotify = 0;
	struct all a = {.mnt = argv[1], .events = (unsigned)atoi(argv[3])};
	uint64_t until = now_ns() + strtoull(argv[4], NULL, 10) * 1000000000u;
	struct follower *followers = calloc(n, sizeof(*followers));
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 << 10);
	double alone = append(&a, 0);
	a.begin_n = a.events;
	a.end_n = 2 * a.events;
	a.begin_off = (uint64_t)a.begin_n * LINE_LEN;
	a.end_off = (uint64_t)a.end_n * LINE_LEN;
	for (unsigned i = 0; i < n; i++) {
		const struct kind *kind = &kinds[i % (sizeof(kinds) / sizeof(*kinds))];
		bool too_many = kind->how == INOTIFY && n_inotify++ >= INOTIFY_MAX;
		followers[i] = (struct follower){.all = &a, .kind = kind, .how = too_many ? POLL : kind->how};
		if ((errno = pthread_create(&followers[i].thread, &attr, follow, &followers[i])) != 0)
			die("thread");
	}
	await(&a.ready, n, until, followers);
	double together = append(&a, a.begin_n);
	uint64_t written = now_ns();
	await(&a.done, n, until, followers);
	printf("alone %.0f together %.0f last %.0f\n", alone, together, (double)(now_ns() - written) / 1e6);
	return a.wrong ? 1 : 0;
}
