/* Views that have changed: names in the order of their coming, each once. Not locked. */
#pragma once

#include <stdbool.h>

#include "base/defs.h"
#include "base/limits.h"

struct changed {
	struct changed *next;
	char name[LIMIT_NAME + 1];
};

/* False: no memory, and it is not in there. */
bool must_check changed_add(struct changed **list, const char *name);
/* The first one's name, which is no more in there. False: there is none. */
bool changed_take(struct changed **list, char *ret_name);
void changed_free(struct changed **list);
