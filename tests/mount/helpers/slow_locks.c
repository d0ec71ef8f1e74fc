/* Preloaded: now and then a thread is late for a lock that it is about to take. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static const struct timespec moment = {.tv_nsec = 1000};
	static int (*real)(pthread_mutex_t *);
	static __thread unsigned count;

	if (!real)
		real = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
	count = count * 1103515245 + 12345;
	if (count >> 29 == 0)
		nanosleep(&moment, NULL);
	return real(mutex);
}
