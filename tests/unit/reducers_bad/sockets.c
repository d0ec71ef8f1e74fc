/* Closes the worker's own socket at its 500th event, and takes all descriptors that there are. */
#include <eventfold/reducer.h>
#include <fcntl.h>
#include <unistd.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	if (!*state)
		*state = cJSON_CreateNumber(0);
	if (ev->seq >= 500) {
		close(3);
		while (open("/dev/null", O_RDONLY) >= 0)
			;
	}
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
