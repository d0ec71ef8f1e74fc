/* Ends the process at its 500th event. */
#include <eventfold/reducer.h>
#include <stdlib.h>
#include <string.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	if (ev->seq == 500) {
		exit(0);
	}
	if (!*state)
		*state = cJSON_CreateNumber(0);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
