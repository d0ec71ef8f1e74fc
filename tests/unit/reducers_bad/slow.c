/* Its 500th event takes 300 ms of the processor's time. */
#include <eventfold/reducer.h>
#include <time.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	clock_t begin = clock();

	while (ev->seq == 500 && clock() - begin < 3 * CLOCKS_PER_SEC / 10)
		;
	if (!*state)
		*state = cJSON_CreateNumber(0);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
