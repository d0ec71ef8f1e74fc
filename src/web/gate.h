/* The open connections, each with the moment by which it must have sent the whole of what it is sending.
 * libmicrohttpd knows only how long a connection was silent, so one that sends a byte now and then would stay
 * for ever. And a thread that waits for the mount does not see that its reader has gone away: it is
 * interrupted here, and so is what the mount does for it.
 *
 * A connection is a stranger until a request of it was let in. There is room for a limited number of them:
 * the oldest makes way for a new one, so that nobody can keep others out by doing nothing. Any thread. */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct gate_entry {
	struct gate_entry *next, *prev; /* in the order of their coming */
	int socket;
	uint64_t until; /* milliseconds; 0: it is being answered */
	bool is_known;
	bool waits; /* `waiter` does, for the mount */
	pthread_t waiter;
};

struct gate {
	pthread_mutex_t lock;
	struct gate_entry first; /* the list's end and beginning */
	unsigned strangers;
};

void gate_init(struct gate *g);
void gate_deinit(struct gate *g); /* all must have left */

/* NULL: no memory. The socket must stay open until gate_leave(). */
struct gate_entry *gate_enter(struct gate *g, int socket);
void gate_leave(struct gate *g, struct gate_entry *e);

void gate_expect(struct gate *g, struct gate_entry *e, uint64_t ms); /* 0: nothing more */
void gate_let_in(struct gate *g, struct gate_entry *e);

/* Between the two the calling thread may be interrupted by GATE_SIGNAL, which the program takes without
 * SA_RESTART. */
#define GATE_SIGNAL SIGUSR1
void gate_wait(struct gate *g, struct gate_entry *e);
void gate_waited(struct gate *g, struct gate_entry *e);

/* Cuts off those whose time is over, interrupts those whose reader has gone; to be called about once a
 * second, and sooner where it returns true: somebody waits. */
bool gate_sweep(struct gate *g);
/* Cuts off all. */
void gate_shut(struct gate *g);
