/* Calls a function that nobody has. */
#include <eventfold/reducer.h>

int eventfold_has_no_such_function(void);

static int reduce(cJSON **state, const struct eventfold_event *event)
{
	return eventfold_has_no_such_function();
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
