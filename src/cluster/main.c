/* What is done with the engine of a log that several machines share: the agent of a daemon, which has started
 * it with its socket as descriptor 3; and `eventfold cluster …`, which has looked at the arguments. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cluster/agent/agent.h"
#include "cluster/command/command.h"

#define SOCKET 3

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && strcmp(what, "agent") == 0)
		return agent_run(SOCKET);
	if (argc == 4 && strcmp(what, "begin") == 0)
		return command_begin(argv + 2, false, false);
	if (argc == 4 && strcmp(what, "anew") == 0)
		return command_begin(argv + 2, true, false);
	if (argc == 4 && strcmp(what, "may-begin") == 0)
		return command_begin(argv + 2, false, true);
	if (argc == 4 && strcmp(what, "may-anew") == 0)
		return command_begin(argv + 2, true, true);
	if (argc == 3 && strcmp(what, "status") == 0)
		return command_status(argv + 2);
	if (argc == 4 && strcmp(what, "forget") == 0)
		return command_forget(argv + 2);
	fputs("eventfold-cluster is eventfold's own: see eventfold cluster --help\n", stderr);
	return 2;
}
