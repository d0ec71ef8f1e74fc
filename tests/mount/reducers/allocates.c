/* Counts, and allocates without end from its 500th event on; does not expect malloc to fail. */
#include <eventfold/reducer.h>
#include <stdlib.h>
#include <string.h>

static int reduce(cJSON **state, const struct eventfold_event *event)
{
	while (event->seq == 500) {
		char *volatile memory = malloc(1 << 20);

		memset(memory, 1, 1 << 20);
	}
	cJSON_Delete(*state);
	*state = cJSON_CreateNumber((double)event->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
