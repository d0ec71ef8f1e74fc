/* From its 500th event on its index runs out of an array, far up the stack: into what the worker has there.
 */
#include <eventfold/reducer.h>

__attribute__((noinline)) static void fill(volatile long *array, long n)
{
	for (long i = 60; i < n; i++)
		array[i] = 3;
}

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	volatile long array[4];

	if (!*state)
		*state = cJSON_CreateNumber(0);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	if (ev->seq >= 500)
		fill(array, 2000);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
