/* At its 500th event it writes behind what it has allocated, and so over what the allocator, and other views,
 * have there. */
#include <eventfold/reducer.h>
#include <stdlib.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	if (!*state)
		*state = cJSON_CreateNumber(0);
	if (ev->seq == 500) {
		volatile int len = 100000; /* from the heap's top, most likely */
		volatile unsigned char *room = malloc((size_t)len);
		for (int i = len; i < len + 64; i++)
			room[i] = 0x41;
	}
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
