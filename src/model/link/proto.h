/* What the daemon and a fold worker say to each other: messages over a SOCK_SEQPACKET socket, and a piece of
 * shared memory for what changes with every event.
 *
 * Every message is a struct message, perhaps a text behind it, perhaps descriptors with it. The two ends are
 * the same program, so there is nothing to encode. But a worker runs other people's code: the daemon believes
 * nothing that could hurt it (see rendering_of_packet() and slot_read()).
 *
 * Head of the log. The daemon stores it into the shared memory, and sends MSG_WAKE only if the worker said
 * that it sleeps: each side stores its own word, then loads the other's (all sequentially consistent), so one
 * of them always sees the other. The layout (MSG_LOG) is sent before a head that needs it is stored, and
 * `generation` between the two: a worker that sees a foreign generation has the message in its socket. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "model/engine/fold.h"
#include "model/engine/holes.h"
#include "store/log.h"

#define PROTO_INLINE                                                                                         \
	(16u << 10)      /* renderings up to this size travel in the message, larger ones as a sealed memfd */
#define PROTO_FDS 3      /* in one message */
#define PROTO_SLOTS 1024 /* views that a worker can have */

enum message_type {
	/* To the worker. */
	MSG_HELLO = 1, /* fds: struct worker_shared, struct worker_orders, perhaps a time zone (zone.h); size:
			  its memory limit; timeout_ms: for one event; flags: MSG_APART */
	MSG_LOG,       /* text: struct log_files; fds: those of it that are there, in order */
	MSG_ADD, /* view, slot, kind, identity, version (to begin with), flags, size: how far behind the head
		  * it may be (0: as far as it is); text: name; fds: reducer, perhaps its snapshot. The answer
		  * is MSG_ADDED, MSG_LAGS or MSG_BROKEN */
	MSG_REMOVE, /* view */
	MSG_WANT,   /* view, flags, off: how far it must have read, version: that of the daemon's rendering */
	MSG_AHEAD, /* view, pos: its state there, a little further on; it stays where it is itself. The answer
		      is MSG_RENDERED or MSG_UNSEEN */
	MSG_RULE,  /* view: its id, seq: that of the view whose state it looks at (0: none); text: name; fds:
		      its  program. The answer is MSG_ADDED or MSG_BROKEN */
	/* pos: the log's head; seq: so many lines are to be judged, which lie in the docket (docket.h), off:
	 * from there on; fds: the docket, where it is new, offset: and its size; flags: MSG_FURTHER. The
	 * answer is MSG_REFUSED for each item of which a line is refused, then MSG_VERDICT */
	MSG_JUDGE,
	MSG_WAKE, /* look at the head */
	MSG_PING, /* seq: a sign of life is wanted, once all that came before has been done */
	MSG_STOP,
	/* To the daemon. */
	MSG_AT, /* view, flags, pos, version, offset, checksum: it is there; its state has the wanted version
		 */
	MSG_RENDERED, /* the same and its rendering, with a newline: the text, or a memfd with `size` bytes */
	MSG_UNSEEN,   /* view: it could not be told how it would be there; another way may say why */
	MSG_CHANGED,  /* look at the slots */
	MSG_BROKEN,   /* view, seq and off (0: on no event), text: why */
	MSG_ADDED,    /* view, pos: it goes on from there, its snapshot's place or the start; the rest as for
			 MSG_HOLES */
	MSG_LAGS, /* view: it has no snapshot that will do, or is too far behind; the worker does not have it
		   */
	MSG_REPORT, /* text for the daemon's log */
	MSG_WEIGHT, /* view, size: so many bytes its state had; it has it no more, since it ends */
	MSG_SPENT,  /* size: bytes of memory it had when it found that this was too much; offset: that were no
		       state's */
	MSG_LOST,   /* view, where it shows in one; text: why. Somebody has taken from it what it can't do
		       without; it ends */
	MSG_PONG,   /* seq: as it was asked; off: the head that it has seen; flags: MSG_IDLE */
	MSG_HOLES,  /* view, size: which change of its holes this is, as in its slot; text: struct holes */
	MSG_STALLED, /* view, off, text: why. The log could not be read for a while; the worker goes on
			trying, */
	MSG_RESUMED, /* view: until this */
	/* view (0: the log's files), flags, text: why. It could not be done for want of something that
	 * passes, and is to be asked for again: with MSG_STATE a rendering, else the view is to be added
	 * again, which the worker does not have. */
	MSG_AGAIN,
	/* seq: the number of a line, the first of its item that is not let in, kind: the error; view: the
	 * rule or the view that refuses it, text: why (empty: no reason is given). Its whole unit is refused,
	 * and all behind it in its item */
	MSG_REFUSED,
	/* flags: MSG_BEHIND: it is not at the head yet, and has judged nothing; MSG_SPOILT: its views are not
	 * to be gone on with, seq: of the lines before this one all is told, and of that one's item;
	 * MSG_PART: it has judged for long enough, seq: the lines before this one, with which a unit begins
	 */
	MSG_VERDICT,
	/* To the looker and back (looker.h). */
	MSG_LOOK,   /* text: struct look_request */
	MSG_LOOKED, /* text: struct look_answer; perhaps a descriptor */
};

enum message_flags {
	MSG_STATE = 1,        /* WANT: its rendering too, not just its position */
	MSG_SNAPSHOT = 2,     /* WANT: for a snapshot; the answer has offset and checksum */
	MSG_NO_SNAPSHOT = 4,  /* the answer where there can't be one now */
	MSG_MUST_RESTORE = 8, /* ADD: not from the start */
	MSG_TRUSTED = 16,     /* ADD: the snapshot comes from another worker, not from the disk */
	MSG_IDLE = 64,        /* PONG: there is nothing left to do */
	MSG_APART = 32,       /* HELLO: others have to go first */
	MSG_SHOWN = 128,      /* ADD: if it is small, its first rendering is sent unasked */
	MSG_BEHIND = 256,     /* VERDICT */
	MSG_SPOILT = 512,     /* VERDICT */
	MSG_PART = 1024,      /* VERDICT */
	/* JUDGE: they go on from those before, of the same writer. Where not all of those were let in, none
	 * of these is looked at, and the answer is MSG_PART */
	MSG_FURTHER = 2048,
};

struct message {
	uint32_t type; /* enum message_type */
	uint32_t flags;
	uint32_t view;
	uint32_t slot;
	uint32_t kind;
	uint32_t timeout_ms;
	uint64_t identity;
	uint64_t version;
	struct log_pos pos;
	uint64_t seq, off;
	uint64_t offset, checksum; /* into the active log, and over it up to there */
	uint64_t size;
	/* ADDED: when its snapshot's state became what it is, in ns since 1970; 0: not known */
	uint64_t changed;
};

/* How a view stands, in shared memory: written by the worker, for the daemon to answer without asking. */
struct slot {
	_Atomic uint32_t turn; /* odd while it is written */
	_Atomic uint32_t view;
	_Atomic uint64_t off, seq, hash;
	_Atomic uint64_t version;
	_Atomic uint64_t folded; /* events, by this worker */
	_Atomic uint64_t rate;
	_Atomic uint64_t holes; /* so often its holes have changed: the daemon has to know of that before it
				   believes the rest */
};

struct slot_value {
	uint32_t view;
	struct log_pos pos;
	uint64_t version, folded, rate, holes;
};

void slot_write(struct slot *s, const struct slot_value *value);
/* False where it could not be read whole: the worker has died while it wrote. */
bool slot_read(struct slot *s, struct slot_value *ret);

/* What the daemon writes. The worker can only read it, so no reducer can make it wait for what has come long
 * ago. */
struct worker_orders {
	_Atomic uint64_t head;    /* the log's, in bytes */
	_Atomic uint64_t grouped; /* up to here some events came together: no state between them is shown */
	_Atomic uint64_t generation; /* of the layout that goes with it */
};

/* What the worker writes, or a reducer that has got lost. So it is a hint: whether the worker lives, and has
 * done what it was told, the daemon asks (MSG_PING). */
struct worker_shared {
	struct fold_mark mark;
	_Atomic uint64_t calls; /* grows with each call into a reducer but for folds: tells two apart */
	_Alignas(64) _Atomic uint32_t sleeping;     /* the worker waits for a message */
	_Alignas(64) _Atomic uint32_t changed_sent; /* a MSG_CHANGED is on its way */
	_Alignas(64) struct slot slots[PROTO_SLOTS];
};

struct packet {
	struct message message;
	struct slice text; /* in the receiver's buffer, until its next call */
	int fds[PROTO_FDS];
	unsigned n_fds; /* the receiver's to close; packet_deinit() */
	/* It came with descriptors for which there was no room here: there are none then, and the sender is
	 * to be asked again. */
	bool lost_fds;
};
void packet_deinit(struct packet *p);

/* 0; -EAGAIN where there is no room (with `wait` it waits for it), or an error: the other end is gone. `text`
 * may be empty. */
int must_check proto_send(int socket, const struct message *m, struct slice text, const int *fds,
			  unsigned n_fds, bool wait);
/* Never waits. 0, 1: nothing there, or an error; -EPIPE at the end. */
int must_check proto_receive(int socket, struct buf *buffer, struct packet *ret);
