/* A log begins anew in the engine: what is lost by that. */
#pragma once

#include "cluster/command/seen.h"
#include "store/eventlog.h"

struct begin {
	struct talk talk;
	int data_fd;
	struct eventlog *log;
	struct batch_head head; /* of DATA */
	struct seen seen;       /* the engine, before */
};

/* Says what the engine and the machines had, as far as it is known, against what DATA has. */
void loss_say(const struct begin *b);
