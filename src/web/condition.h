/* What If-Match and If-None-Match say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/defs.h"

/* If-None-Match: is the tag, quotes included, one of the list's? A weak one is as good here, "*" is any.
 * NULL and "" are none. */
bool condition_has(const char *list, const char *etag);

/* If-Match (NULL: none), as the name to append to: events/app, or events/app@OFFSET:HASH. -EINVAL: it is a
 * head that no log could have. */
int must_check condition_log(const char *match, char *out, size_t size);
