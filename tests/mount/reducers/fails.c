/* Counts, and says at its 500th event that it cannot go on. */
#include <eventfold/reducer.h>

static int reduce(cJSON **state, const struct eventfold_event *event)
{
	if (event->seq == 500)
		return eventfold_fail(event, "the %dth is one too many", 500);
	cJSON_Delete(*state);
	*state = cJSON_CreateNumber((double)event->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
