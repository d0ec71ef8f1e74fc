/* What a running jq program asks of its host: the event, and changes of values in place.
 *
 * libjq 1.6 has no way to add a function, but `debug` hands a value to the host and `_input` takes one from it. So a
 * definition in front of the user's program that says
 *
 *     ($path | debug) as $x | debug | _input
 *
 * is a call: the host gets the path and the input, and by the time it answers libjq has let go of the input, so that
 * the host is its only holder and may change it in place. The shapes of the calls are below, in host_call(). */
#pragma once

#include <jq.h>
#include <stdbool.h>

#include "base/defs.h"

/* An update (|=, += …) under way: for each of its paths the part is taken out, made anew by the program, and put back. */
struct jq_update {
	jv paths;
	jv state; /* while a part is out */
	int taken;
	bool open; /* a part is out */
};

struct jq_host {
	jv event;
	jv kept;        /* the state as it was before the event; invalid: given up */
	bool may_empty; /* updates may give none or several values, and say how they ended */

	jv args[3];
	int n_args;
	struct jq_update *updates;
	int n_updates, cap_updates;
	/* Updates by operators (+= …) don't nest: the path and the rest of the one under way. */
	jv path, rest;
};

void jq_host_init(struct jq_host *h);
void jq_host_attach(struct jq_host *h, jq_state *jq);
void jq_host_deinit(struct jq_host *h);

/* Forgets what belongs to one event, but for `kept`. */
void jq_host_reset(struct jq_host *h);

/* The definitions that make the calls; one line, no newline. */
const char *jq_host_prelude(bool may_empty);
