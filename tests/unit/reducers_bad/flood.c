/* From its 500th event on it talks to the daemon itself, without end. */
#include <eventfold/reducer.h>
#include <sys/socket.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	static const char nonsense[1000];

	if (ev->seq == 500) {
		struct iovec part = {(void *)nonsense, sizeof(nonsense)};
		struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
		for (;;)
			(void)!sendmsg(3, &m, 0);
	}
	if (!*state)
		*state = cJSON_CreateNumber(0);
	cJSON_SetNumberValue(*state, (double)ev->seq);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
