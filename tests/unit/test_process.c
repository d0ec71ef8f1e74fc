#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "check.h"

static void test_oneself(void)
{
	int stat = process_open(getpid(), "stat"), statm = process_open(0, "statm");
	struct process_stat s;
	clockid_t clock;

	/* A name may look as what stands behind it does. */
	CHECK_INT(prctl(PR_SET_NAME, "a) Z (1 2"), 0);
	CHECK(process_stat(stat, &s));
	CHECK_INT(s.state, 'R');
	CHECK(s.bytes > 100000);
	CHECK(process_resident(statm) > 100000);
	CHECK_INT(clock_getcpuclockid(getpid(), &clock), 0);
	CHECK(process_cpu_ns(clock, 0) > 0);
	close(stat);
	close(statm);
}

static void test_a_child(void)
{
	struct process_stat s;
	clockid_t clock;
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	int stat = process_open(pid, "stat"), statm = process_open(pid, "statm");
	CHECK_INT(clock_getcpuclockid(pid, &clock), 0);
	CHECK_INT(kill(pid, SIGSTOP), 0);
	CHECK_INT(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(process_stat(stat, &s));
	CHECK_INT(s.state, 'T');
	CHECK_INT(kill(pid, SIGKILL), 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(!process_stat(stat, &s));
	CHECK_INT(process_resident(statm), 0);
	CHECK_INT(process_cpu_ns(clock, 42), 42);
	CHECK_INT(process_open(pid, "stat"), -ENOENT);
	close(stat);
	close(statm);
}

int main(void)
{
	struct process_stat s;

	test_oneself();
	test_a_child();
	CHECK(!process_stat(-ENOENT, &s));
	CHECK_INT(process_resident(-1), 0);
	return 0;
}
