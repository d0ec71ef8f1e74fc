/* One state of a view, as text: immutable, shared, counted. Any thread. */
#pragma once

#include "base/slice.h"
#include "model/link/proto.h"
#include "store/log.h"

struct rendering {
	_Atomic unsigned refs;
	struct slice json; /* the state: compact JSON and a newline */
	/* how far it had read when it was rendered; an answer's own `pos` may be further */
	struct log_pos pos;
	/* of the state: two renderings of one view with the same version have the same json */
	uint64_t version;
	uint64_t changed; /* when the state became this one, in ns since 1970; 0: not known */
	/* private: how the memory was come by */
	void *map;
	size_t map_len;
};
struct rendering *rendering_ref(struct rendering *r); /* NULL is fine, here and below */
void rendering_unref(struct rendering *r);

/* Of a MSG_RENDERED, believing nothing. -EBADMSG: it makes no sense; else it can't be taken over now. */
int must_check rendering_of_packet(struct packet *p, struct rendering **ret);
