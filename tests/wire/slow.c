/* A reducer that does not come back from an event of the type "hang". */
#include <eventfold/reducer.h>

static int hang(cJSON **state, const struct eventfold_event *event)
{
	volatile bool forever = eventfold_is(event->type, "hang");

	while (forever)
		;
	return EVENTFOLD_SAME;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = hang};
