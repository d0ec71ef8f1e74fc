/* What the daemon and its agent say to each other: frames on a stream socket, each a type and a text.
 *
 * The agent (src/cluster/agent) has the engine, and the order of batches; the daemon (src/fs/cluster) has the
 * log. What each type's text is stands beside it; "head" is OFFSET:SHA256, of history up to there.
 *
 * Pure. */
#pragma once

#include "base/buf.h"

enum frame_type {
	/* Daemon to agent. */
	FRAME_BEGIN = 1, /* the first, once: JSON, see agent/options.h */
	FRAME_PROPOSE,   /* a batch (batch.h) that begins where all that was delivered ends. The next one only
			    when it is known what has become of this one */
	FRAME_APPENDED,  /* {"head":…}: the log has it durably up to here */
	FRAME_CONFIG,    /* {"config":HEX}: what decides about an append is another now */
	FRAME_ASK,       /* {"id":N,"do":"forget","machine":ID}, {"id":N,"do":"agree"} */

	/* Agent to daemon. */
	FRAME_BATCH = 32, /* a batch, the next in the order, that is not the proposed one. Only the first may
			     begin before the log's end: where that is within a batch */
	FRAME_MINE,       /* {"n":N}: the proposal is in the engine, and the next in the order */
	FRAME_MOVED,      /* {"n":N}: it is not, nor will be; what has come before it was delivered */
	FRAME_REFUSED,    /* {"n":N,"errno":E,"why":TEXT}: it is not, nor will be; its writers are told why */
	FRAME_STATE,      /* {"state":…,"why":TEXT or null,"engine":URL or null,"head":…,"db_bytes":N,
			     "window_bytes":N} */
	FRAME_FATAL,      /* {"why":TEXT}: nothing is appended any more. The last */
	FRAME_MEMBERS,    /* an array of {"machine","host","path","position","time","alive"} */
	FRAME_DONE,       /* {"id":N,"errno":E,"why":TEXT or null}: 0: what was asked for is done */
};

/* Longer ones are not believed: a batch, and some more. */
#define FRAME_MAX (4u << 20)

struct frame {
	enum frame_type type;
	struct slice text; /* points into what it was taken from */
};

void frame_add(struct buf *out, enum frame_type type, struct slice text);
/* The frame that begins at *at of what has been received, which then is behind it. 0: it is not whole yet;
 * 1: it is there; -EPROTO: there can't be such a frame. */
int must_check frame_next(struct slice in, size_t *at, struct frame *ret);
