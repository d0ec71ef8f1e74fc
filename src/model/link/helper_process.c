#include "model/link/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SOCKET 3

/* Both ends as descriptors that dup2() in the child cannot meet by accident. */
static int make_socket(int type, int *ret_ours, int *ret_theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ret_ours = pair[0];
	*ret_theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, SOCKET + 1);
	int r = *ret_theirs < 0 ? -errno : 0;
	close(pair[1]);
	return r;
}

static int fill_actions(posix_spawn_file_actions_t *actions, int socket, bool quiet)
{
	int r = posix_spawn_file_actions_adddup2(actions, socket, SOCKET);

	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);
	for (int fd = 1; r == 0 && quiet && fd <= 2; fd++)
		r = posix_spawn_file_actions_adddup2(actions, 0, fd);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, SOCKET + 1);
	return r;
}

/* The environment and a setting for the C library, unless somebody has made settings of his own; NULL: no
 * memory. */
static char **environ_with(char *setting)
{
	size_t n = 0;

	while (environ[n])
		n++;
	char **env = malloc((n + 2) * sizeof(*env));
	if (!env)
		return NULL;
	memcpy(env, environ, n * sizeof(*env));
	env[n] = getenv("GLIBC_TUNABLES") ? NULL : setting;
	env[n + 1] = NULL;
	return env;
}

static int spawn(const char *path, const char *command, int socket, struct helper_options options, pid_t *ret)
{
	char large_pages[] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1";
	auto_free char **env = options.brief ? environ_with(large_pages) : NULL;
	char name[] = "eventfold";
	char *argv[] = {name, (char *)command, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;

	int r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r == 0) {
		sigemptyset(&none);
		posix_spawnattr_setsigmask(&attr, &none);
		/* A group of its own (pgroup 0): whoever it leaves behind is found by that, and can't get out
		 * of it. */
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
		r = fill_actions(&actions, socket, options.quiet);
		if (r == 0)
			r = posix_spawn(ret, path, &actions, &attr, argv, env ? env : environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int helper_process_start(const char *path, const char *command, struct helper_options options,
			 int *ret_socket, pid_t *ret_pid)
{
	auto_close int ours = -1, theirs = -1;

	int r = make_socket(options.stream ? SOCK_STREAM : SOCK_SEQPACKET, &ours, &theirs);
	if (r == 0)
		r = spawn(path, command, theirs, options, ret_pid);
	if (r == 0)
		*ret_socket = take_fd(&ours);
	return r;
}
