/* A reducer's program in libjq: compiled from the user's text with our definitions in front of it, and run. The parts of the jq host
 * only. */
#pragma once

#include "base/diag.h"
#include "model/reducer_jq_host.h"
#include "model/reducer_jq_scan.h"

struct jq_program {
	struct jq_scan scan; /* in_place: so it runs */
	struct jq_host *host;
	jq_state *jq;
	bool lost;        /* jq is not to be touched any more */
	const char *text; /* what it has been compiled from, one of: */
	struct buf plain,
	    other; /* as the user has it; in the form that runs in place, or so that it can be ended */
};

/* 0, -EINVAL with what is wrong, in the words of jq and with line and column, or -ENOMEM. Deinit it in any case. */
int must_check jq_program_init(struct jq_program *p, struct jq_host *h, struct slice program,
			       struct diag *diag);
void jq_program_deinit(struct jq_program *p);

/* Takes the state and gives the first output, or an invalid value: none, or an error where that has a message. Negative, with the diag
 * set, where libjq itself has come to an end; it can be called again then. */
int must_check jq_program_run(struct jq_program *p, jv *state, struct diag *diag);
