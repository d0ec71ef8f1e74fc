/* same_expectation PROCESSES ROUNDS MNT...: in each round all processes append to MNT/events/app, each on
 * condition that the head is where all of them have seen it. With several mounts, which are of one log, the
 * n-th process has the n-th of them, round and round, and a round begins when all have the same head. Prints
 * one line a round: the winners' numbers. Exit 1: something else than winning or ESTALE. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
	pthread_barrier_t begin, end;
	char head[64];
	int results[]; /* 0: won; an errno */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int attempt(const char *mnt, const char *head, unsigned process, unsigned round)
{
	char line[128], path[4096];
	int len = snprintf(line, sizeof(line),
			   "{\"type\":\"won\",\"data\":{\"round\":%u,\"by\":%u},\"ts\":1}\n", round, process);

	if (snprintf(path, sizeof(path), "%s/events/app@%s", mnt, head) >= (int)sizeof(path))
		return ENAMETOOLONG;
	int fd = open(path, O_WRONLY | O_APPEND);
	if (fd < 0)
		return errno;
	ssize_t n = write(fd, line, (size_t)len);
	int result = n == len ? 0 : n < 0 ? errno : EIO;
	if (close(fd) < 0 && result == 0)
		result = errno;
	return result;
}

static void take_part(struct shared *s, const char *mnt, unsigned process, unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		pthread_barrier_wait(&s->begin);
		s->results[process] = attempt(mnt, s->head, process, round);
		pthread_barrier_wait(&s->end);
	}
}

static void read_head(const char *mnt, char *head, size_t size)
{
	char path[4096];
	ssize_t n = -1;

	snprintf(path, sizeof(path), "%s/head/app", mnt);
	int fd = open(path, O_RDONLY);
	if (fd >= 0)
		n = read(fd, head, size - 1);
	if (n <= 0)
		die(path);
	close(fd);
	head[n - 1] = '\0';
}

/* Who has appended last is ahead of the others for a moment. */
static void note_head(struct shared *s, char **mounts, unsigned n)
{
	char other[64];

	for (unsigned i = 0; i < n;) {
		read_head(mounts[0], s->head, sizeof(s->head));
		for (i = 1; i < n; i++) {
			read_head(mounts[i], other, sizeof(other));
			if (strcmp(other, s->head) != 0)
				break;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	unsigned processes = (unsigned)atoi(argv[1]), rounds = (unsigned)atoi(argv[2]);
	char **mounts = argv + 3;
	unsigned n = (unsigned)argc - 3;
	pthread_barrierattr_t attr;
	bool good = true;

	size_t size = sizeof(struct shared) + processes * sizeof(int);
	struct shared *s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		die("mmap");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&s->begin, &attr, processes + 1);
	pthread_barrier_init(&s->end, &attr, processes + 1);
	for (unsigned p = 0; p < processes; p++) {
		pid_t pid = fork();
		if (pid < 0)
			die("fork");
		if (pid == 0) {
			take_part(s, mounts[p % n], p, rounds);
			_exit(0);
		}
	}
	for (unsigned round = 0; round < rounds; round++) {
		note_head(s, mounts, n);
		pthread_barrier_wait(&s->begin);
		pthread_barrier_wait(&s->end);
		for (unsigned p = 0; p < processes; p++) {
			if (s->results[p] == 0)
				printf("%u ", p);
			else if (s->results[p] != ESTALE)
				good = fprintf(stderr, "round %u: %u: %s\n", round, p,
					       strerror(s->results[p])) < 0;
		}
		printf("\n");
	}
	while (wait(NULL) > 0)
		;
	return good ? 0 : 1;
}
