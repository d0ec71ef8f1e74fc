/* Are two events the same but for the time? */
#pragma once

#include "base/slice.h"

/* Both are lines that have passed event_scan(). Their members other than `ts` are compared as JSON: keys in
 * any order and decoded, strings decoded, numbers as they are written. 1: they are the same; -ENOMEM. Any
 * thread. */
int same_but_ts(struct slice a, struct slice b);
