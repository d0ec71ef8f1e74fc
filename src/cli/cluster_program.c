#include "cli/cluster_program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *cluster_program(void)
{
	const char *own = getenv("EVENTFOLD_CLUSTER");

	return own && *own ? own : EVENTFOLD_CLUSTER_PROGRAM;
}

int cluster_program_check(struct diag *diag)
{
	const char *path = cluster_program();

	if (access(path, X_OK) == 0)
		return 0;
	int error = errno;
	return diag_set(diag, -error, "a log is shared by the program eventfold-cluster, which is %s: %s: %s",
			error == ENOENT ? "not installed" : "not to be run", path, strerror(error));
}
