/* At its 500th event it says, in the worker's name, that another view has taken all the memory, and ends the
 * process. */
#include <eventfold/reducer.h>
#include <unistd.h>

#include "model/link/proto.h"

#define LIE (1ull << 40)

static void slander(void)
{
	const struct message weight = {.type = MSG_WEIGHT, .view = 1, .size = LIE};
	const struct message spent = {.type = MSG_SPENT, .size = LIE};

	for (int fd = 3; fd < 64; fd++)
		if (write(fd, &weight, sizeof(weight)) > 0)
			(void)!write(fd, &spent, sizeof(spent));
}

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	if (ev->seq == 500) {
		slander();
		_exit(0);
	}
	if (!*state)
		*state = cJSON_CreateNumber(0);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
