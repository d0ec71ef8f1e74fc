/* The lines that a worker is to judge, in memory that the daemon writes and the worker reads: the table, and
 * behind it the lines themselves, each with its newline. Where a writer's come piece by piece there are
 * several such, one behind the other. */
#pragma once

#include "model/event/event.h"

enum docket_flags {
	DOCKET_UNIT = 1, /* the last line of what is let in whole or not at all */
	DOCKET_ITEM = 2, /* the last line that comes from this writer: behind a refused one judging goes on */
};

struct docket_line {
	uint32_t len; /* bytes, newline included */
	uint32_t flags;
	struct event_layout layout;
};
