/* Counts, and dereferences a null pointer at its 500th event. */
#include <eventfold/reducer.h>

static int reduce(cJSON **state, const struct eventfold_event *event)
{
	volatile int *volatile nowhere = NULL;

	if (event->seq == 500)
		*nowhere = 1;
	cJSON_Delete(*state);
	*state = cJSON_CreateNumber((double)event->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
