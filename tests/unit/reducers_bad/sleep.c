/* From its 500th event on it does nothing, for ever. */
#include <eventfold/reducer.h>
#include <unistd.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	while (ev->seq == 500)
		usleep(100000);
	if (!*state)
		*state = cJSON_CreateNumber(0);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
