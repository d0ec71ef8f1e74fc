/* A queue with a thread of its own, and its end: what is posted is taken by that thread in the order of
 * its coming, and all of it is taken before the thread ends.
 *
 *     static void run(void *arg)
 *     {
 *             while ((mail = mailbox_take(&box, CLOCK_FOREVER)))
 *                     …;
 *     }
 *
 * Posting costs no system call unless the thread sleeps. What is posted belongs to the box until it is
 * taken, then to the taker; nothing is allocated or freed in here.
 *
 * Threads: the box's own one takes; posting and mailbox_remove() are for any, the box's own included. A
 * lock of the caller's may be held in all but mailbox_stop() and the takes that wait. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/defs.h"

/* Embedded in what is posted. */
struct mail {
	struct mail *next; /* of a list that was taken; else private */
};

/* Under the lock:
 *   1. `last` is where the next one is put: behind the last one, or &first.
 *   2. While `sleeps` is set, there are fewer than `wanted`: who posts the last of these clears it and wakes
 *      the thread, so nobody wakes it twice. */
struct mailbox {
	pthread_t thread;
	void (*run)(void *arg);
	void *arg;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct mail *first, **last;
	unsigned n, wanted;
	bool sleeps, stop;
};

/* Until when a take waits for mail: what clock_us() will be, CLOCK_FOREVER, or this. */
#define MAILBOX_NOW 0

/* The box does not move. `run` is to end when it is told that it is over. A negative errno: there is no
 * thread, and nothing to stop. */
int must_check mailbox_start(struct mailbox *b, void (*run)(void *arg), void *arg);
/* Nobody else is within mailbox_post() any more, nor will be. Waits until all is taken, what the thread
 * itself still posts included, and the thread has ended. */
void mailbox_stop(struct mailbox *b);

void mailbox_post(struct mailbox *b, struct mail *mail);
/* Takes one back that has not been taken yet: the first that is so. NULL: there is none. `is` is called
 * with the box's lock held. */
struct mail *mailbox_remove(struct mailbox *b, bool (*is)(const struct mail *mail, const void *arg),
			    const void *arg);

/* The first, or all as a list. NULL: the time has come, or it is over. */
struct mail *mailbox_take(struct mailbox *b, uint64_t until_us);
struct mail *mailbox_take_all(struct mailbox *b, uint64_t until_us);
/* Waits until so many are there, the time has come, or it ends: how many there are. It takes none. */
unsigned mailbox_gather(struct mailbox *b, unsigned n, uint64_t until_us);
/* mailbox_stop() has been called, and nothing is left. */
bool mailbox_is_over(struct mailbox *b);
