/* Compares a snapshot's state with a fold from scratch. */
#pragma once

#include "base/diag.h"
#include "model/snapshot.h"

enum verify_result {
	VERIFY_SAME,
	VERIFY_DIFFERS,
	VERIFY_OTHER, /* there is nothing to compare with: why is in the diag */
};

/* Folds in a process of its own, since it runs the view's reducer. */
enum verify_result verify_view(int data_fd, const char *view, const struct snapshot *s, struct diag *diag);
