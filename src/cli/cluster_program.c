#include "cli/cluster_program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Beside a program that was built and not installed. */
static bool find_built(char ret[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return false;
	self[n] = '\0';
	int dir = (int)(strrchr(self, '/') - self);
	int len = snprintf(ret, PATH_MAX, "%.*s/../cluster/eventfold-cluster", dir, self);
	return len < PATH_MAX && access(ret, X_OK) == 0;
}

void cluster_program(char ret[PATH_MAX])
{
	const char *own = getenv("EVENTFOLD_CLUSTER");

	if (own && *own)
		snprintf(ret, PATH_MAX, "%s", own);
	else if (!find_built(ret))
		snprintf(ret, PATH_MAX, "%s", EVENTFOLD_CLUSTER_PROGRAM);
}

int cluster_program_check(const char *path, struct diag *diag)
{
	if (access(path, X_OK) == 0)
		return 0;
	int error = errno;
	return diag_set(diag, -error, "a log is shared by the program eventfold-cluster, which is %s: %s: %s",
			error == ENOENT ? "not installed" : "not to be run", path, strerror(error));
}
