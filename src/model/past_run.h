/* One trip into the past: a worker of its own that folds one view up to a place, from a state before it. Past thread only. */
#pragma once

#include "base/diag.h"
#include "model/definition.h"
#include "model/worker_handle.h"
#include "model/views.h"

struct past_run {
	struct worker_handle *worker;
	int stop_fd; /* borrowed: readable when it is time to give up */
};

/* Starts a worker for the view; `base` is a snapshot's text in a file (-1: from the start), at `base_off`. */
int must_check past_run_begin(struct past_run *run, const struct worker_limits *limits, struct eventlog *log,
			      const struct definition *def, int base_fd, uint64_t base_off,
			      struct diag *diag);
/* Folds on to `pos`, which is not before where it is, and returns the state there. */
int must_check past_run_to(struct past_run *run, const struct log_pos *pos, struct rendering **ret,
			   struct diag *diag);
void past_run_end(struct past_run *run);
