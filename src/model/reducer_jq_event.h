/* An event as libjq sees it. What is decoded once is kept with the event, so all jq reducers that fold it share it. */
#pragma once

#include <jv.h>

#include "model/event.h"

/* The event as a jq object with at least the members that `need` (JQ_NEED_…, reducer_jq_scan.h) names, where it has
 * them. An invalid one, with a message, where libjq can't read it. *ret_infinite: a number in it is too large for libjq. */
jv reducer_jq_event(struct event *ev, unsigned need, bool *ret_infinite);
