/* Nodes that are reserved for a thread of a client's, and what is known of such threads.
 *
 * An OPEN that is answered with ESTALE makes the kernel look the name up once more, on the same thread,
 * and open what that look-up says. So a thread that must not share a file's main node with others is told
 * ESTALE, and finds the node that was reserved for it. The kernel asks in any order (LOOKUP, FORGET,
 * LOOKUP, OPEN): a reservation holds its node by itself. It ends with the thread's next open of any kind,
 * or with the time; no look-up without one sees that node.
 *
 * Where no name is looked up (/proc/self/fd/N, /dev/stdout, a file that is mounted somewhere else) the
 * same OPEN comes again. A thread is told ESTALE once at most until it has opened something:
 * reservations_end() says whether it was.
 *
 * Threads: reservations are made on any thread, and asked for on the fuse thread. `now` is µs of
 * CLOCK_MONOTONIC. */
#pragma once

#include "base/defs.h"
#include "base/ways.h"
#include "fs/node/node.h"

/* How long a node is kept for a thread that does not come, and how long it is known to have been told. It may
 * have been killed, and then this is for nothing; but on a busy machine a thread may well stand still for
 * longer than a second. */
#define RESERVATION_US 10000000
#define RESERVATION_TOLD_US (6 * RESERVATION_US)
#define RESERVATIONS_MAX 1024
#define RESERVATIONS_TOLD 4096

struct reservation {
	struct reservation *next;
	pid_t tid;
	bool fresh;        /* a node that is made at the look-up, for this thread alone */
	struct node *main; /* with a reference */
	struct node *node; /* with a reference; NULL: not made yet */
	uint64_t since;
};

struct reservations {
	struct nodes *nodes;
	pthread_mutex_t lock;
	struct reservation *first; /* the newest */
	_Atomic size_t n;
	struct told {
		struct way way; /* the thread; since when, of the time that it is known */
		uint64_t ino;
	} told[RESERVATIONS_TOLD];
};

void reservations_init(struct reservations *r, struct nodes *nodes);
void reservations_deinit(struct reservations *r);

/* The thread, whose id is not 0, is told to look the file up once more; that look-up gives this node,
 * NULL: a new one. False: that can't be now, since memory is short, too many have one, or it would not be
 * remembered that it was told. */
bool must_check reservations_make(struct reservations *r, struct node *main, struct node *node, pid_t tid,
				  uint64_t now);
/* The node reserved for a look-up of the file by this thread, with that look-up counted; NULL: none, so it
 * is the main one. */
struct node *reservations_look(struct reservations *r, struct node *main, pid_t tid, uint64_t now);
/* The thread opens this node, whatever it is. True: it had been told to look this file up once more. */
bool reservations_end(struct reservations *r, struct node *node, pid_t tid, uint64_t now);

/* What each thread has looked up last, and the size that it was told: those who open a file by its name
 * have just looked it up, and will do so again. One whose look-up is forgotten here before it opens the
 * file, for want of room, gets the node that others have. On the fuse thread. */
#define LOOKED_UP 4096

struct looked_up {
	uint64_t count; /* of look-ups */
	struct look {
		struct way way; /* the thread; the so many-th look-up */
		uint64_t ino;
		uint64_t size;
	} by[LOOKED_UP];
};

void looked_up_note(struct looked_up *l, pid_t tid, uint64_t ino, uint64_t size);
/* Has the thread looked this up, and opened nothing since? */
bool looked_up_is(const struct looked_up *l, pid_t tid, uint64_t ino);
/* The same, where it opens something now. */
bool looked_up_take(struct looked_up *l, pid_t tid, uint64_t ino, uint64_t *ret_size);

/* Which threads have lately been told a file's size by its name. Of sizes that the kernel is told for one
 * node at the same time it believes the one that arrives first, and who goes by it (sendfile, mappings,
 * lseek(2) to the end) gets less than there is, or is told more. So who reads while others use the file
 * does that on a node that nobody else asks for. What a thread was told has arrived when the thread runs: on
 * a busy machine that may well be later than a second. On the fuse thread. */
#define USES 1024
#define USE_LATELY_US RESERVATION_US

struct uses {
	struct use {
		struct way way;     /* the main node's number; when a thread was told last */
		pid_t last;         /* that thread */
		uint64_t others_us; /* when one before it was; 0: never */
	} by[USES];
};

void uses_note(struct uses *u, pid_t tid, uint64_t ino, uint64_t now);
/* Has another thread than this been told lately? */
bool uses_are_others(const struct uses *u, pid_t tid, uint64_t ino, uint64_t now);

/* Which threads have lately opened the log to write while others had it open for that. They need not be told
 * to look again the next time: the look-up itself offers them a node (nodes_offer()). On the fuse thread. */
#define JOINERS 1024
#define JOINED_LATELY_US 1000000

struct joiners {
	struct joiner {
		struct way way; /* the thread; since when */
	} by[JOINERS];
};

/* The thread has opened the log; `joins`: so. */
void joiners_note(struct joiners *j, pid_t tid, bool joins, uint64_t now);
bool joiners_has(const struct joiners *j, pid_t tid, uint64_t now);

/* Are there threads that can't be seen (hidepid=2, no /proc)? */
bool threads_are_hidden(void);
/* Is it a thread of the kernel's (an NFS server's), which looks nothing up again? Perhaps is true as well,
 * so of one that is hidden. */
bool thread_is_kernels(pid_t tid, bool hidden);
