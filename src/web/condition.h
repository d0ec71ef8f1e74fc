/* What If-Match and If-None-Match say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/defs.h"

/* If-None-Match: is the tag, quotes included, one of the list's? A weak one is as good here, "*" is any.
 * NULL and "" are none. */
bool condition_has(const char *list, const char *etag);

/* If-Match (NULL: none), as the name to append to: events/app, or events/app@OFFSET:HASH. Of a list that is
 * `head`, the log's, if it is in there, else the last one. -EINVAL: it has none that a log could have. */
int must_check condition_log(const char *match, const char *head, char *out, size_t size);
