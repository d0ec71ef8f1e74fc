/* The time, and sleeping until then. Any thread. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The same as of the last tick, some ms ago: for who looks with each event. */
static inline uint64_t clock_coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_us(void)
{
	return clock_ns() / 1000;
}

static inline uint64_t clock_ms(void)
{
	return clock_ns() / 1000000;
}

/* Seconds since 1970; 0 where the clock is set to before. Not time(2), which lags by up to a tick behind
 * the clock that others read: an event's `ts` would lie before the moment at which its writer began. */
static inline uint64_t clock_unix(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec;
}

/* Nanoseconds since 1970; 0 where the clock is set to before. */
static inline uint64_t clock_unix_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_to_ns(struct timespec t)
{
	return t.tv_sec < 0 ? 0 : (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline struct timespec clock_of_ns(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

/* A time that never comes, whatever its unit. */
#define CLOCK_FOREVER UINT64_MAX

/* How long poll() is to wait until then, in ms: -1 for ever. `at_ms` is what clock_ms() will be. */
static inline int clock_poll_ms(uint64_t at_ms)
{
	uint64_t now = clock_ms();

	if (at_ms == CLOCK_FOREVER)
		return -1;
	return at_ms > now ? (int)(at_ms - now) : 0;
}

/* A condition to be waited for with clock_cond_wait(). Its waits end by CLOCK_MONOTONIC: another clock that
 * is set back would put a time off, and one before 1970 would never wait. */
static inline void clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

/* Under the lock: sleeps until somebody signals (or, as always, for nothing), or until clock_us() is there.
 * False: it is. */
static inline bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_us)
{
	struct timespec until = {(time_t)(until_us / 1000000), (long)(until_us % 1000000) * 1000};

	if (until_us == CLOCK_FOREVER)
		return pthread_cond_wait(cond, lock) == 0;
	return pthread_cond_timedwait(cond, lock, &until) == 0;
}
