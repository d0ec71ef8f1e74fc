/* The daemon's end of one worker process: starts it, talks to it, finds it stuck, reaps it, and says what it
 * died of.
 *
 * Threads. The owner (the keeper thread, or that of a trip into the past) starts, watches and reaps. Whoever
 * has a reference may send and may store the head: the socket stays open as long as anybody holds one, though
 * the process may be dead. Since a worker ends with the thread that has started it, start it from a thread
 * that stays. */
#pragma once

#include <sys/types.h>

#include "base/diag.h"
#include "model/host/zone.h"
#include "model/link/blame.h"
#include "model/link/patience.h"
#include "model/link/proto.h"
#include "store/eventlog.h"

struct worker_limits {
	const char *path;        /* the program */
	uint64_t memory;         /* bytes; 0: none */
	unsigned timeout_ms;     /* of the processor's time, for one event; 0: none */
	unsigned blocked_ms;     /* for one event, in which it does nothing; 0: a default */
	const struct zone *zone; /* NULL: UTC; borrowed */
	bool quiet;              /* its standard output and error are nobody's; else the daemon's */
	bool apart;              /* others have to go first: it runs with a lower priority */
	bool brief;              /* it ends soon */
};

/* What it was doing when it was looked at. */
struct worker_sample {
	uint32_t view, phase;
	uint64_t seq, off, calls;
};

struct worker_handle {
	_Atomic unsigned refs;
	int socket;
	struct worker_shared *shared;
	struct worker_orders *orders;
	_Atomic uint64_t generation; /* of the layout that it has been sent */
	_Atomic unsigned slots_taken;
	_Atomic uint32_t sent;      /* messages */
	_Atomic bool unsound;       /* what it says can't be */
	_Atomic unsigned attention; /* so many of the next heads it is told of at once: its views are read */
	_Atomic uint64_t told_head; /* the last one that it was told of, or was awake to see */

	/* The owner's. */
	struct worker_limits limits;
	pid_t pid;
	int pidfd, statm, stat;
	clockid_t clock;       /* of the time that it runs */
	uint64_t active_begin; /* of the layout that it has been sent */
	bool slots[PROTO_SLOTS];
	bool full;     /* a message did not find room: wait for it */
	bool stopping; /* has been told to stop */
	struct buf in;
	struct worker_sample sample;
	uint64_t sample_resident; /* bytes, when the worker was first seen at that event */
	uint64_t sample_ns;       /* when it was taken, */
	uint64_t sample_cpu_ns;   /* and for how long it had run by then */
	struct patience patience;
	unsigned place;     /* free for the owner's use */
	uint32_t lost_view; /* where it said that something had gone wrong in it; 0: nowhere */
	uint64_t resident;  /* bytes, when it was looked at last, */
	uint64_t fresh;     /* and when a view was given to it last */
	uint64_t renew_ms;  /* since when it is to be renewed; 0: it is not */
	uint64_t renew_at;  /* it is not before it has so many bytes */
	uint32_t heaviest;  /* the view with the largest state, as it said on its way out, */
	uint64_t heaviest_size;
	struct {
		uint64_t size, offset; /* as in MSG_SPENT; 0: it has said nothing */
	} spent;
	unsigned given;   /* views that it has ever had */
	unsigned natives; /* reducers in C that it has ever been given: each can do harm to all that it has */
	uint64_t pings, pongs; /* the numbers of the last ones */
	uint32_t ping_sent;    /* messages up to the last ping */
	uint32_t idle_sent;    /* it was idle after so many messages, */
	uint64_t idle_head;    /* at this head */
	uint64_t reports_ms;   /* since when they are counted */
	unsigned reports;
	struct diag killed;      /* why the owner has killed it, */
	enum worker_blame blame; /* and whose fault it was */
};

int must_check worker_handle_start(struct worker_handle **ret, const struct worker_limits *limits,
				   struct diag *diag);
struct worker_handle *worker_handle_ref(struct worker_handle *h);
void worker_handle_unref(struct worker_handle *h); /* NULL is fine; the process must have been reaped */

/* Sends without waiting: 0, -EAGAIN (there is no room now), or -EPIPE: it is dead, which the owner will
 * notice. */
int must_check worker_handle_send(struct worker_handle *h, const struct message *m, struct slice text,
				  const int *fds, unsigned n_fds);
/* Sends the layout if it has changed, then the head. As above. The owner only. */
int must_check worker_handle_publish(struct worker_handle *h, struct eventlog *log);
/* The same with a head of one's own, not beyond the log's: the worker folds up to there. */
int must_check worker_handle_publish_to(struct worker_handle *h, struct eventlog *log, uint64_t head);
/* The head has moved, within the layout that it has. Any thread. It sees that when it is awake, and is woken
 * where somebody waits for it (`at_once`), its views have lately been read, or much has come. */
enum head_told {
	HEAD_NOTHING, /* it has no views, or knew of it */
	HEAD_TOLD,    /* see that it folds */
	HEAD_UNTOLD,  /* it sleeps on: wake it in a moment */
};
/* Up to there some events came together. To be called before a head that lies behind it is told. Any thread.
 */
void worker_handle_grouped(struct worker_handle *h, uint64_t grouped);
enum head_told worker_handle_head(struct worker_handle *h, uint64_t head, bool at_once);
/* Has it look at the head if it sleeps. Any thread. */
void worker_handle_wake(struct worker_handle *h);
/* One of its views is read. Any thread. */
void worker_handle_attend(struct worker_handle *h);
/* It has said that it has done all that it was told, up to the head. The owner only. */
static inline bool worker_handle_idle(struct worker_handle *h)
{
	return h->idle_sent == atomic_load(&h->sent) && h->idle_head == atomic_load(&h->orders->head);
}
/* Its sign of life. True: it is idle. The owner only. */
bool worker_handle_pong(struct worker_handle *h, const struct message *m);
/* MSG_WEIGHT, MSG_SPENT. The owner only. */
void worker_handle_weight(struct worker_handle *h, const struct message *m);
/* Is a report of its to be passed on? Not where there are very many. The owner only. */
bool worker_handle_may_report(struct worker_handle *h, uint64_t now_ms);

/* How often to look at a worker that is at work, in ms. */
unsigned worker_handle_tick(const struct worker_handle *h);
/* Looks whether it is stuck, or has grown beyond its limit, and kills it then; asks for a sign of life.
 * (watch.c) */
void worker_handle_watch(struct worker_handle *h);
/* Looks how much memory one has that is not at work. */
void worker_handle_measure(struct worker_handle *h);
void worker_handle_kill(struct worker_handle *h, enum worker_blame blame, const char *why);
struct worker_sample worker_handle_sample(struct worker_handle *h);

/* After pidfd has become readable (else it waits): why it ended, and which view was running (0: none). The
 * text goes on with where that was. */
struct worker_end {
	uint32_t view;
	enum fold_phase phase;
	uint64_t seq, off;
	enum worker_blame blame;
	struct diag why;
};
void worker_handle_reap(struct worker_handle *h, struct worker_end *ret);

/* A free slot, or -ENOSPC. Taken for a view before the worker is told of it. The owner only. */
int must_check worker_handle_take_slot(struct worker_handle *h);
void worker_handle_drop_slot(struct worker_handle *h, uint32_t slot);
