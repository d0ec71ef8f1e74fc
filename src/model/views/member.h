/* What all workers have in common, those of the crew and those of trips into the past: started and told of
 * the log, and ended. On the thread that is to own it. */
#pragma once

#include "model/link/handle.h"

/* A worker that has been told of the log, up to `head`. */
int must_check member_start(struct worker_handle **ret, const struct worker_limits *limits,
			    struct eventlog *log, uint64_t head, struct diag *why);
/* Kills it, whatever it does, and takes the reference. NULL is fine. */
void member_end(struct worker_handle *h, const char *why);
