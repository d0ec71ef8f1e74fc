/* Why the mount has refused a line: what rejected.jsonl says of it. */
#pragma once

#include <sys/types.h>

#include "base/slice.h"

/* The last of the refused lines (the text of rejected.jsonl) that this thread has written; the mount knows
 * each writer by its thread's id. Empty: none is. */
struct slice refusal_find(struct slice refused, pid_t thread);

/* The raw value of a member of a refusal, a string or a whole number; empty where it is not there. */
struct slice refusal_member(struct slice refusal, const char *key);
