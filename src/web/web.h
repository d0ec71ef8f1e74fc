/* What every part of the server refers to, and a request on its way. Both are made by route.c and main.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "web/access.h"
#include "web/gate.h"
#include "web/hub.h"
#include "web/options.h"

struct web {
	const struct options *options;
	struct access access;
	struct gate gate;
	struct hub hub;
	int page, app;         /* directories of plain files; app may be -1 */
	_Atomic size_t memory; /* that bodies and texts take */
};

struct request {
	struct web *web;
	struct gate_entry *entry; /* may be NULL */
	struct buf body;
	size_t held;      /* of web->memory */
	size_t came;      /* of the body */
	unsigned refusal; /* the status of the answer to a body that is thrown away; 0: it is not */
	bool is_append, has_body;
};

/* Room for so many bytes more, or false. */
static inline bool web_hold(struct web *w, size_t n, size_t limit)
{
	if (atomic_fetch_add(&w->memory, n) + n <= limit)
		return true;
	atomic_fetch_sub(&w->memory, n);
	return false;
}

static inline void web_let_go(struct web *w, size_t n)
{
	atomic_fetch_sub(&w->memory, n);
}
