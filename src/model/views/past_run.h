/* A worker of trips into the past: it folds one view up to a place, from a state before it; or it stands
 * there ready, and says how the view was a little later. One guide at a time. */
#pragma once

#include "base/diag.h"
#include "model/catalog/definition.h"
#include "model/link/handle.h"
#include "model/views/views.h"

struct past_run {
	struct worker_handle *worker;
	struct log_pos at; /* so far it has been told to fold */
	int stop_fd;       /* borrowed: readable when it is time to give up */
};

/* Starts a worker for the view; `base_fd` is a snapshot's text (-1: from the start), at `base`.
 * `is_trusted`: it was folded by this daemon, so it is not held against the log. */
int must_check past_run_begin(struct past_run *run, const struct worker_limits *limits, struct eventlog *log,
			      const struct definition *def, int base_fd, const struct log_pos *base,
			      bool is_trusted, struct diag *diag);
/* Folds on to `pos`, which is not before where it is, and returns the state there. */
int must_check past_run_to(struct past_run *run, const struct log_pos *pos, struct rendering **ret,
			   struct diag *diag);
/* The state at `pos`, not before where it is; it stays there, and can do this again. An error says nothing
 * about the view: the worker is to be ended then, and the state found with past_run_to(). */
int must_check past_run_peek(struct past_run *run, struct eventlog *log, const struct log_pos *pos,
			     struct rendering **ret);
void past_run_end(struct past_run *run);
