/* The hot loops of scripts/bench. Each command measures one thing beside its baseline, sample by sample in
 * turns, so that a disk that is slow for a moment is slow for both. Prints numbers for the script to read:
 * nanoseconds, one line a series. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "samples: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_append(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);

	if (fd < 0)
		die(path);
	return fd;
}

/* An event of about 180 bytes; the i-th. */
static size_t make_event(char *line, size_t size, uint64_t i)
{
	int n =
	    snprintf(line, size,
		     "{\"type\":\"page_viewed\",\"data\":{\"path\":\"/articles/%06u\",\"user\":%u,\"ms\":%u,"
		     "\"referrer\":\"https://example.org/list?page=%03u\"},\"ts\":%u,\"id\":\"bench-%010u\","
		     "\"actor\":\"somebody\"}\n",
		     (unsigned)(i * 7919 % 1000000), (unsigned)(i % 5000), (unsigned)(i % 997),
		     (unsigned)(i % 1000), (unsigned)(1700000000 + i), (unsigned)i);

	return (size_t)n;
}

static void write_all(int fd, const char *data, size_t len, const char *what)
{
	if (write(fd, data, len) != (ssize_t)len)
		die(what);
}

static void print_series(const char *name, const uint64_t *values, size_t n)
{
	printf("%s", name);
	for (size_t i = 0; i < n; i++)
		printf(" %llu", (unsigned long long)values[i]);
	printf("\n");
}

static uint64_t raw_sample(int raw, const char *line, size_t len)
{
	uint64_t begin = now();

	write_all(raw, line, len, "raw file");
	if (fdatasync(raw) < 0)
		die("fdatasync");
	return now() - begin;
}

/* Opens and reads a small file to its end. */
static void read_file(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		die(path);
	while ((n = read(fd, text, sizeof(text))) > 0)
		;
	if (n < 0)
		die(path);
	close(fd);
}

/* latency RAW APP N [VIEW]: one write an event, in turns with the raw loop; with VIEW, until that view has
 * been read too. */
static void latency(const char *raw_path, const char *app_path, size_t n, const char *view)
{
	uint64_t *raw_ns = calloc(n, sizeof(*raw_ns)), *ns = calloc(n, sizeof(*ns));
	int raw = open_append(raw_path), app = open_append(app_path);
	char line[512];

	if (!raw_ns || !ns)
		die("memory");
	for (size_t i = 0; i < n; i++) {
		size_t len = make_event(line, sizeof(line), i);

		raw_ns[i] = raw_sample(raw, line, len);
		uint64_t begin = now();
		write_all(app, line, len, app_path);
		if (view)
			read_file(view);
		ns[i] = now() - begin;
	}
	print_series("raw", raw_ns, n);
	print_series("mount", ns, n);
	free(raw_ns);
	free(ns);
}

/* two A B N: appends to the one and to the other, in turns; each event has an id of its own. */
static void two(char **paths, size_t n)
{
	uint64_t *ns[2] = {calloc(n, sizeof(uint64_t)), calloc(n, sizeof(uint64_t))};
	int fd[2] = {open_append(paths[0]), open_append(paths[1])};
	char line[512];

	if (!ns[0] || !ns[1])
		die("memory");
	for (size_t i = 0; i < 2 * n; i++) {
		size_t len = make_event(line, sizeof(line), i);
		uint64_t begin = now();
		write_all(fd[i % 2], line, len, paths[i % 2]);
		ns[i % 2][i / 2] = now() - begin;
	}
	print_series("a", ns[0], n);
	print_series("b", ns[1], n);
	free(ns[0]);
	free(ns[1]);
}

/* pair APP_A VIEW_A APP_B VIEW_B N: append, then read the view, on two mounts in turns. */
static void pair(char **paths, size_t n)
{
	uint64_t *a = calloc(n, sizeof(*a)), *b = calloc(n, sizeof(*b));
	int app_a = open_append(paths[0]), app_b = open_append(paths[2]);
	static const char line[] = "{\"type\":\"todo_completed\",\"data\":{\"id\":3}}\n";

	if (!a || !b)
		die("memory");
	for (size_t i = 0; i < n; i++) {
		uint64_t begin = now();
		write_all(app_a, line, sizeof(line) - 1, paths[0]);
		read_file(paths[1]);
		a[i] = now() - begin;
		begin = now();
		write_all(app_b, line, sizeof(line) - 1, paths[2]);
		read_file(paths[3]);
		b[i] = now() - begin;
	}
	print_series("a", a, n);
	print_series("b", b, n);
	free(a);
	free(b);
}

static bool input_ended(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&p, 1, 0) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* beside APP VIEW N: append, then read the view, at least N times and until standard input ends; each on its
 * own. */
static void beside(const char *app_path, const char *view, size_t least)
{
	size_t n = 0, room = least;
	uint64_t *append = calloc(room, sizeof(*append)), *read = calloc(room, sizeof(*read));
	int app = open_append(app_path);
	char line[512];

	if (!append || !read)
		die("memory");
	while (n < least || !input_ended()) {
		if (n == room) {
			room *= 2;
			append = realloc(append, room * sizeof(*append));
			read = realloc(read, room * sizeof(*read));
			if (!append || !read)
				die("memory");
		}
		size_t len = make_event(line, sizeof(line), n);
		uint64_t begin = now();
		write_all(app, line, len, app_path);
		uint64_t written = now();
		read_file(view);
		append[n] = written - begin;
		read[n++] = now() - written;
	}
	print_series("append", append, n);
	print_series("read", read, n);
	free(append);
	free(read);
}

static void append_closing(const char *path, size_t n, unsigned writer)
{
	char line[512];

	for (size_t i = 0; i < n; i++) {
		size_t len = make_event(line, sizeof(line), writer * 1000000u + i);
		int fd = open_append(path); /* as >> and fopen() do, with O_CREAT */

		write_all(fd, line, len, path);
		if (close(fd) < 0)
			die(path);
	}
}

static uint64_t nanoseconds(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* By those that have ended. */
static uint64_t spent_by_children(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
}

static void append_held(const char *path, size_t n, unsigned writer)
{
	int fd = open_append(path);
	char line[512];

	for (size_t i = 0; i < n; i++)
		write_all(fd, line, make_event(line, sizeof(line), writer * 1000000u + i), path);
	if (close(fd) < 0)
		die(path);
}

/* held, closing RAW APP PROCESSES N ROUNDS: in turns, 8 N raw samples, and PROCESSES that append N times
 * each, through a file that they hold open, or by an open, a write and a close; the time of each, as
 * nanoseconds an event. And what the PROCESSES have spent on a processor in all rounds, the same way. */
static void many(const char *raw_path, const char *app, unsigned processes, size_t n, size_t rounds,
		 void append(const char *path, size_t n, unsigned writer))
{
	uint64_t *raw_ns = calloc(rounds, sizeof(*raw_ns)), *ns = calloc(rounds, sizeof(*ns));
	int raw = open_append(raw_path);
	char line[512];

	if (!raw_ns || !ns)
		die("memory");
	for (size_t round = 0; round < rounds; round++) {
		size_t raw_n = n * 8;
		int gate[2];

		for (size_t i = 0; i < raw_n; i++)
			raw_ns[round] += raw_sample(raw, line, make_event(line, sizeof(line), i));
		raw_ns[round] /= raw_n;

		/* Forking is not what is measured: all wait at a gate. */
		if (pipe(gate) < 0)
			die("pipe");
		for (unsigned p = 0; p < processes; p++) {
			pid_t pid = fork();

			if (pid < 0)
				die("fork");
			if (pid == 0) {
				char byte;

				close(gate[1]);
				if (read(gate[0], &byte, 1) != 0)
					_exit(1);
				append(app, n, p);
				_exit(0);
			}
		}
		close(gate[0]);
		uint64_t begin = now();
		close(gate[1]);
		for (unsigned p = 0; p < processes; p++) {
			int status;

			if (wait(&status) < 0 || status != 0)
				die("a writer failed");
		}
		ns[round] = (now() - begin) / (processes * n);
	}
	uint64_t spent = spent_by_children() / (rounds * processes * n);
	print_series("raw", raw_ns, rounds);
	print_series("mount", ns, rounds);
	print_series("spent", &spent, 1);
	free(raw_ns);
	free(ns);
}

static size_t number(const char *text)
{
	return strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "latency") == 0 && (argc == 5 || argc == 6))
		latency(argv[2], argv[3], number(argv[4]), argc == 6 ? argv[5] : NULL);
	else if (strcmp(command, "pair") == 0 && argc == 7)
		pair(argv + 2, number(argv[6]));
	else if (strcmp(command, "two") == 0 && argc == 5)
		two(argv + 2, number(argv[4]));
	else if (strcmp(command, "beside") == 0 && argc == 5)
		beside(argv[2], argv[3], number(argv[4]));
	else if (strcmp(command, "closing") == 0 && argc == 7)
		many(argv[2], argv[3], (unsigned)number(argv[4]), number(argv[5]), number(argv[6]),
		     append_closing);
	else if (strcmp(command, "held") == 0 && argc == 7)
		many(argv[2], argv[3], (unsigned)number(argv[4]), number(argv[5]), number(argv[6]),
		     append_held);
	else
		return 2;
	return 0;
}
