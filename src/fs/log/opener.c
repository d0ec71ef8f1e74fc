#include "fs/log/opener.h"

#include <stdio.h>

static bool are_of_one_process(pid_t a, pid_t b)
{
	char path[64];

	if (a == 0 || b == 0)
		return false;
	if (a == b)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)a, (int)b);
	return access(path, F_OK) == 0;
}

void opener_wrote(struct opener *o, pid_t thread, uint64_t table)
{
	/* Looking into /proc is for once, not for each write. */
	if (o->known || (o->has_other && o->other == table))
		return;
	if ((o->thread == 0 && thread == 0) || are_of_one_process(thread, o->thread)) {
		o->known = true;
		o->table = table;
	} else {
		o->has_other = true;
		o->other = table;
	}
}

bool opener_is(const struct opener *o, pid_t thread, uint64_t table)
{
	return o->known ? table == o->table : are_of_one_process(thread, o->thread);
}
