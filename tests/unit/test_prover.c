/* Who asks for a head while the prover reads on a long way: he may give up, and is told of no older head. */
#include "fs/log/prover.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"

#define LINE "{\"type\":\"x\"}\n"
#define PIECE 4096 /* what is read of a log is more than this at a time */

/* A disk on which the prover stops before each piece of the log. */
struct gate {
	struct disk disk;
	pthread_t me; /* who does not stop */
	sem_t reached, open;
};

static ssize_t gate_pread(struct disk *d, int fd, void *data, size_t len, off_t off)
{
	struct gate *g = container_of(d, struct gate, disk);

	if (!pthread_equal(pthread_self(), g->me) && len > PIECE) {
		sem_post(&g->reached);
		while (sem_wait(&g->open) < 0)
			;
	}
	return disk_posix.pread(&disk_posix, fd, data, len, off);
}

struct asked {
	struct prover_wait wait;
	bool gone;
	sem_t done;
	int error;
	uint64_t off;
};

static bool is_gone(const struct prover_wait *wait)
{
	return container_of(wait, struct asked, wait)->gone;
}

static void answered(struct prover_wait *wait, int error, const struct proof *proof)
{
	struct asked *a = container_of(wait, struct asked, wait);

	a->error = error;
	a->off = error ? 0 : proof->head.off;
	sem_post(&a->done);
}

static void ask(struct prover *p, struct asked *a, bool gone)
{
	*a = (struct asked){.wait = {.given_up = is_gone, .done = answered}, .gone = gone};
	sem_init(&a->done, 0, 0);
	prover_want(p, &a->wait);
}

static void is_told(struct asked *a, int error, uint64_t off)
{
	while (sem_wait(&a->done) < 0)
		;
	CHECK_INT(a->error, error);
	CHECK_INT(a->off, off);
	sem_destroy(&a->done);
}

static bool is_event(void *arg, struct slice line)
{
	return line.len > 0;
}

static void append(struct eventlog *log, size_t n)
{
	auto_buf struct buf lines = {0};
	size_t stored;

	for (size_t i = 0; i < n; i++)
		buf_add_str(&lines, LINE);
	CHECK_INT(eventlog_append(log, buf_slice(&lines), true, &stored), 0);
}

static void noted(void *arg)
{
}

int main(void)
{
	struct gate g = {.disk = disk_posix, .me = pthread_self()};
	char path[] = "/tmp/test_prover.XXXXXX", command[64];
	struct asked first, gone, later;
	struct eventlog *log;
	struct prover *p;

	g.disk.pread = gate_pread;
	sem_init(&g.reached, 0, 0);
	sem_init(&g.open, 0, 0);
	CHECK(mkdtemp(path));
	int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dirfd >= 0);
	CHECK_INT(eventlog_open(&log, &g.disk, dirfd, &(struct eventlog_options){.is_event = is_event}, NULL),
		  0);
	append(log, 300000);
	uint64_t head = eventlog_head(log).off;
	CHECK_INT(prover_start(&p, log, &g.disk, &(struct prover_options){.noted = noted}), 0);

	ask(p, &first, false);
	CHECK(sem_wait(&g.reached) == 0);
	append(log, 1);
	ask(p, &gone, true);
	ask(p, &later, false);
	sem_post(&g.open);
	is_told(&gone, -EINTR, 0);
	CHECK(sem_trywait(&first.done) < 0);
	for (unsigned i = 0; i < 64; i++)
		sem_post(&g.open);
	is_told(&first, 0, head);
	is_told(&later, 0, head + strlen(LINE));

	prover_stop(p);
	eventlog_close(log);
	close(dirfd);
	sem_destroy(&g.reached);
	sem_destroy(&g.open);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	CHECK_INT(system(command), 0);
	return 0;
}
