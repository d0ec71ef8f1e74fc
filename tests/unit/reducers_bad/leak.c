/* A state that stays small, and memory that is lost with each event. */
#include <eventfold/reducer.h>
#include <stdlib.h>
#include <string.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	char *lost = malloc(4000);

	if (lost)
		memset(lost, 1, 4000);
	if (!*state)
		*state = cJSON_CreateNumber(0);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
