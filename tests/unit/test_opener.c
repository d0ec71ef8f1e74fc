#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "fs/log/opener.h"

enum { MINE = 11, THEIRS = 22 };

static pid_t thread_id;
static pthread_barrier_t started, over;

static void *thread(void *arg)
{
	thread_id = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&started);
	pthread_barrier_wait(&over);
	return NULL;
}

int main(void)
{
	pid_t me = getpid();
	pthread_t other;

	pthread_barrier_init(&started, NULL, 2);
	pthread_barrier_init(&over, NULL, 2);
	CHECK_INT(pthread_create(&other, NULL, thread, NULL), 0);
	pthread_barrier_wait(&started);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		pause();
		_exit(0);
	}

	/* Nobody has written: by the threads alone. */
	struct opener o = {.thread = thread_id};
	CHECK(opener_is(&o, thread_id, MINE));
	CHECK(opener_is(&o, me, MINE));
	CHECK(!opener_is(&o, child, THEIRS));
	CHECK(!opener_is(&o, 0, THEIRS));

	/* A child has written, then another thread of the opener's process. */
	opener_wrote(&o, child, THEIRS);
	CHECK(!opener_is(&o, child, THEIRS));
	CHECK(opener_is(&o, me, MINE));
	opener_wrote(&o, me, MINE);
	pthread_barrier_wait(&over);
	pthread_join(other, NULL);
	/* The thread that opened it is gone: its process is still known. */
	CHECK(opener_is(&o, me, MINE));
	CHECK(!opener_is(&o, child, THEIRS));
	kill(child, SIGKILL);
	CHECK_INT(waitpid(child, NULL, 0), child);

	/* Another namespace: all are 0. */
	o = (struct opener){.thread = 0};
	CHECK(!opener_is(&o, 0, THEIRS));
	opener_wrote(&o, 0, MINE);
	opener_wrote(&o, 0, THEIRS);
	CHECK(opener_is(&o, 0, MINE));
	CHECK(!opener_is(&o, 0, THEIRS));
	return 0;
}
