/* Counts, and leaves the process at its 500th event. */
#include <eventfold/reducer.h>
#include <unistd.h>

static int reduce(cJSON **state, const struct eventfold_event *event)
{
	if (event->seq == 500)
		_exit(0);
	cJSON_Delete(*state);
	*state = cJSON_CreateNumber((double)event->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
