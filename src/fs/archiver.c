#include "fs/archiver.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* After a failure (no room), this long until the next try; twice as long after each further one. */
#define RETRY_SECONDS 30
#define RETRY_DOUBLED 5

struct archiver {
	struct eventlog *log;
	struct archiver_options options;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool kicked, stop;
	struct archiver_wait *waits;
};

static void answer(struct archiver_wait *waits, int error)
{
	while (waits) {
		struct archiver_wait *next = waits->next;
		waits->done(waits, error);
		waits = next;
	}
}

static int archive(struct archiver *a)
{
	struct diag diag = {0};
	int r = eventlog_archive(a->log, &diag);

	/* A log that is read-only has said so itself. */
	if (r < 0 && r != -EROFS)
		a->options.report(a->options.arg, diag.text);
	else if (r == 0)
		a->options.done(a->options.arg);
	return min(r, 0);
}

/* Sleeps until there is something to do; under the lock. `failures`: so often it has failed, in a row. */
static void wait_for_work(struct archiver *a, unsigned failures)
{
	struct timespec until;

	if (failures == 0) {
		pthread_cond_wait(&a->wake, &a->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_SECONDS << min(failures - 1, (unsigned)RETRY_DOUBLED);
	if (pthread_cond_timedwait(&a->wake, &a->lock, &until) == ETIMEDOUT)
		a->kicked = true;
}

static void *archiver_thread(void *arg)
{
	struct archiver *a = arg;
	unsigned failures = 0;

	pthread_mutex_lock(&a->lock);
	for (;;) {
		if (!a->kicked) {
			if (a->stop)
				break;
			wait_for_work(a, failures);
			continue;
		}
		struct archiver_wait *waits = a->waits;
		a->waits = NULL;
		a->kicked = false;
		pthread_mutex_unlock(&a->lock);
		int r = archive(a);
		failures = r < 0 && r != -EROFS ? failures + 1 : 0;
		answer(waits, r);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

int archiver_start(struct archiver **ret, struct eventlog *log, const struct archiver_options *options)
{
	struct archiver *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->log = log;
	a->options = *options;
	pthread_mutex_init(&a->lock, NULL);
	/* A clock that is set back would put the next try off, one before 1970 would never wait. */
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int r = pthread_create(&a->thread, NULL, archiver_thread, a);
	if (r != 0) {
		free(a);
		return -r;
	}
	*ret = a;
	return 0;
}

void archiver_stop(struct archiver *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void archiver_kick(struct archiver *a)
{
	pthread_mutex_lock(&a->lock);
	a->kicked = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}

void archiver_wait(struct archiver *a, struct archiver_wait *wait)
{
	pthread_mutex_lock(&a->lock);
	wait->next = a->waits;
	a->waits = wait;
	a->kicked = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}
