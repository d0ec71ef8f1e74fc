/* Cannot decide. */
#include <eventfold/reducer.h>
#include <stdlib.h>

static int reduce(cJSON **state, const struct eventfold_event *event)
{
	return EVENTFOLD_SAME;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce, .destroy = free};
