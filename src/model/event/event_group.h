/* A group: a line that is a JSON array of events, which enter the log together or not at all.
 *
 *     event_group_begin(&g, line);
 *     while ((r = event_group_next(&g, &ev, &why)) > 0)
 *             …
 *
 * Pure; an event is used by one thread. */
#pragma once

#include "model/event/event.h"

struct event_group {
	struct slice line;
	size_t at; /* behind the bracket or comma, or on the closing bracket */
	bool first;
};

/* Does the line begin as a group does? Outer white space does not count. */
static inline bool event_group_is_one(struct slice line)
{
	const char *end = slice_end(line), *at = json_skip_space(line.data, end);

	return at < end && *at == '[';
}

void event_group_begin(struct event_group *g, struct slice line);
/* 1: `ev` is the next event, scanned; 0: there are no more, and nothing is wrong. -EINVAL: the group is none,
 * with the reason and the place in the line; -ENOMEM says nothing about it. */
int must_check event_group_next(struct event_group *g, struct event *ev, struct json_error *ret_error);

/* Is the line what may be appended: an event, or a group? The number of its events, or one of those errors.
 */
long must_check event_group_check(struct slice line, struct event *ev, struct json_error *ret_error);
