/* Tries what a reducer must not be able to do. Its state is the list of what worked. Where there is no socket
 * to the daemon, as in verify, there is none to close. */
#include <errno.h>
#include <eventfold/reducer.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void note(cJSON *list, const char *what, bool worked)
{
	if (worked)
		cJSON_AddItemToArray(list, cJSON_CreateString(what));
}

static void *nothing(void *arg)
{
	return arg;
}

/* Can the daemon's file in /proc be opened, and if it is a directory, listed? */
static bool opens(const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)getppid(), file);
	return open(path, O_RDONLY) >= 0;
}

/* A child that ends at once. */
static bool forks(pid_t pid)
{
	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool has_capabilities(void)
{
	char text[4096] = "";
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	const char *at = n > 0 ? strstr(text, "CapEff:") : NULL;

	close(fd);
	return !at || strtoull(at + 7, NULL, 16) != 0;
}

static void note_processes(cJSON *list)
{
	int word;
	struct iovec here = {&word, sizeof(word)}, there = {&word, sizeof(word)};
	struct itimerval soon = {.it_value.tv_sec = 1000};
	struct stat st;
	struct f_owner_ex owner = {F_OWNER_PID, getppid()};
	pthread_t thread;

	note(list, "fork", forks(fork()));
	note(list, "vfork", forks((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
	note(list, "thread", pthread_create(&thread, NULL, nothing, NULL) == 0);
	note(list, "own signal", raise(SIGCHLD) == 0);
	note(list, "life", prctl(PR_SET_PDEATHSIG, 0) == 0);
	note(list, "timer", setitimer(ITIMER_REAL, &soon, NULL) == 0);
	note(list, "alarm", (alarm(1000), alarm(0) == 1000));
	note(list, "owner", fcntl(3, F_SETOWN, getppid()) == 0 || fcntl(3, F_SETOWN_EX, &owner) == 0);
	note(list, "signal of a file", fcntl(3, F_SETSIG, SIGURG) == 0);
	note(list, "signals of a file", fcntl(3, F_SETFL, O_ASYNC) == 0);
	note(list, "group", setpgid(0, 0) == 0 || setsid() >= 0);
	note(list, "memory of the daemon", process_vm_readv(getppid(), &here, 1, &there, 1, 0) > 0);
	note(list, "mem of the daemon", opens("mem"));
	note(list, "environment of the daemon", opens("environ"));
	note(list, "descriptors of the daemon", opens("fd/0"));
	note(list, "map of the daemon", opens("maps"));
	note(list, "capabilities", has_capabilities());
	note(list, "close the socket",
	     fstat(3, &st) == 0 && S_ISSOCK(st.st_mode) &&
		 (close(3) == 0 || dup2(0, 3) >= 0 || dup3(0, 3, 0) >= 0));
	note(list, "memory in a file", memfd_create("x", 0) >= 0);
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
	note(*state, "mount", mount("x", "/nowhere", "tmpfs", 0, "") == 0 || errno != EPERM);
	note(*state, "exec", execl("/bin/true", "true", (char *)0) == 0);
	note(*state, "change directory", chdir("/") == 0);
	limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
	note(*state, "limits", setrlimit(RLIMIT_AS, &limit) == 0);
	note_processes(*state);
	/* What is allowed still is. */
	note(*state, "read", open("/dev/null", O_RDONLY) < 0);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
