/* An event as jq sees it, decoded only as far as somebody asks. What is decoded once is kept with the event:
 * all jq reducers that fold it share it. One thread; without memory see value.h. */
#pragma once

#include <jv.h>

#include "model/event/event.h"
#include "model/host/jq/value.h"

enum event_member { EVENT_TYPE, EVENT_DATA, EVENT_TIME, EVENT_ID, EVENT_ACTOR, EVENT_META };

/* By name. False: none of those. */
bool event_member_of(struct val name, enum event_member *ret);

/* All borrowed: they live as long as the event. */
const struct val *event_whole(struct event *ev);
const struct val *event_part(struct event *ev, enum event_member member);
/* A member of its data; NULL where this is no object, or where it is quicker to look at it whole. */
const struct val *event_data_part(struct event *ev, struct val name);

/* For libjq: the whole event. Invalid, with a message, where libjq can't read it. */
jv event_jv(struct event *ev);
