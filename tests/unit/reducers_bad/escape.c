/* Tries what a reducer must not be able to do. Its state is the list of what worked. */
#include <eventfold/reducer.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(cJSON *list, const char *what, bool worked)
{
	if (worked)
		cJSON_AddItemToArray(list, cJSON_CreateString(what));
}

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	struct rlimit limit;

	if (*state)
		return EVENTFOLD_SAME;
	*state = cJSON_CreateArray();
	note(*state, "create", open("/tmp/eventfold-escape", O_CREAT | O_WRONLY, 0600) >= 0);
	note(*state, "write", open("/dev/null", O_WRONLY) >= 0);
	note(*state, "read and write", open("/dev/null", O_RDWR) >= 0);
	note(*state, "temporary", open("/tmp", O_TMPFILE | O_RDWR, 0600) >= 0);
	note(*state, "unlink", unlink("/tmp/eventfold-escape") == 0);
	note(*state, "socket", socket(AF_INET, SOCK_STREAM, 0) >= 0);
	note(*state, "local socket", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	note(*state, "signal", kill(getppid(), 0) == 0);
	note(*state, "trace", ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
	note(*state, "mount", mount("x", "/tmp", "tmpfs", 0, "") == 0);
	note(*state, "exec", execl("/bin/true", "true", (char *)0) == 0);
	note(*state, "change directory", chdir("/") == 0);
	limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
	note(*state, "limits", setrlimit(RLIMIT_AS, &limit) == 0);
	/* What is allowed still is. */
	note(*state, "read", open("/dev/null", O_RDONLY) < 0);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
