/* Compares a snapshot's state with a fold from scratch. */
#pragma once

#include "base/diag.h"
#include "model/engine/snapshot.h"
#include "model/host/zone.h"

enum verify_result {
	VERIFY_SAME,
	VERIFY_DIFFERS,
	VERIFY_FAILED, /* its reducer did not get through: why is in the diag, as in the next */
	VERIFY_OTHER,  /* there is nothing to compare with */
};

struct verify_limits {
	uint64_t memory;         /* bytes that a reducer may use; 0: no limit */
	unsigned timeout_ms;     /* of the processor's time, for one event; 0: none */
	const struct zone *zone; /* NULL: UTC */
};

/* Folds in a process of its own, since it runs the view's reducer. */
enum verify_result verify_view(int data_fd, const char *view, const struct snapshot *s,
			       const struct verify_limits *limits, struct diag *diag);
