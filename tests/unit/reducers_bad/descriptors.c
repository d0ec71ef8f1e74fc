/* Closes, at its 500th event, what is not its own. */
#include <eventfold/reducer.h>
#include <unistd.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	if (!*state)
		*state = cJSON_CreateNumber(0);
	for (int fd = 3; fd < 100 && ev->seq >= 500; fd++)
		close(fd);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
