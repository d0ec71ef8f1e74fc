#include "fs/following/changed.h"

#include <stdlib.h>
#include <string.h>

bool changed_add(struct changed **list, const char *name)
{
	while (*list && strcmp((*list)->name, name) != 0)
		list = &(*list)->next;
	if (*list)
		return true;
	*list = calloc(1, sizeof(**list));
	if (!*list)
		return false;
	memcpy((*list)->name, name, strlen(name) + 1);
	return true;
}

bool changed_take(struct changed **list, char *ret_name)
{
	struct changed *first = *list;

	if (!first)
		return false;
	memcpy(ret_name, first->name, sizeof(first->name));
	*list = first->next;
	free(first);
	return true;
}

void changed_free(struct changed **list)
{
	char name[LIMIT_NAME + 1];

	while (changed_take(list, name))
		;
}
