/* Starts processes that would outlive everything. */
#include <eventfold/reducer.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	for (int i = 0; i < 20 && !*state; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, 0);
			close(3);
			for (;;)
				usleep(100000);
		}
	}
	if (!*state)
		*state = cJSON_CreateTrue();
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
