#include "model/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The program and its libraries, besides what the reducers use. */
#define MEMORY_OF_PROGRAM (96ull << 20)
/* The daemon's, see model/link/handle.c: whoever closes it ends the worker, and all views with it. */
#define SOCKET 3
/* Which argument has the pass: none of the calls has a sixth. */
#define PASS_ARG 5

/* What allocation, the C library, loading an object, reading the log and the fork of a child that writes a
 * rendering need. */
static const int allowed[] = {
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(preadv),
    SCMP_SYS(write),
    SCMP_SYS(pwrite64),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(_llseek),
    SCMP_SYS(ftruncate),
    SCMP_SYS(ftruncate64),
    SCMP_SYS(fstat),
    SCMP_SYS(fstat64),
    SCMP_SYS(newfstatat),
    SCMP_SYS(fstatat64),
    SCMP_SYS(statx),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(wait4),
    SCMP_SYS(waitid),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(ugetrlimit),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rseq),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* A child, but no thread and no namespace. */
#define CLONE_REFUSED                                                                                        \
	(CLONE_VM | CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |             \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE | CLONE_PARENT)
#define OPEN_REFUSED (O_ACCMODE | O_CREAT | O_TRUNC)

/* None that makes somebody a signal's addressee, or takes a lock. */
static const int fcntls[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_GET_SEALS, F_ADD_SEALS};

static int add_fcntls(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; i < countof(fcntls) && r == 0; i++) {
		struct scmp_arg_cmp command = SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)fcntls[i], 0);
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, command);
		if (r == 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl64), 1, command);
	}
	return r;
}

/* The worker's own calls. */
static int add_own(scmp_filter_ctx ctx, unsigned long pass)
{
	const struct scmp_arg_cmp passes = SCMP_CMP(PASS_ARG, SCMP_CMP_EQ, pass, 0);

	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 2,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_REFUSED, 0), passes);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setitimer), 1, passes);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(memfd_create), 1, passes);
	/* The child that writes a rendering dies with the worker. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
				     SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0),
				     SCMP_A1(SCMP_CMP_EQ, SIGKILL, 0));
	return r;
}

static int add_rules(scmp_filter_ctx ctx, unsigned long pass)
{
	int r = add_own(ctx, pass);
	struct stat st;

	if (r == 0)
		r = add_fcntls(ctx);

	/* A call that this machine does not have is no failure: libseccomp knows those of all machines. */
	for (size_t i = 0; i < countof(allowed) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, OPEN_REFUSED, O_RDONLY));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, OPEN_REFUSED, O_RDONLY));
	if (r == 0 && fstat(SOCKET, &st) == 0 && S_ISSOCK(st.st_mode))
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(close), 1,
				     SCMP_A0(SCMP_CMP_NE, SOCKET, 0));
	else if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(close), 0);
	/* So that the C library falls back to clone(), whose flags can be seen. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* abort() sends itself a signal; no other, or it would look like somebody else's doing. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0),
				     SCMP_A2(SCMP_CMP_EQ, SIGABRT, 0));
	return r;
}

static int filter_calls(unsigned long pass)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (!ctx)
		return -ENOMEM;
	int r = add_rules(ctx, pass);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

/* The kernel's version of it; 0: it has none, or does not use it. */
static int landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

/* Nothing on a disk can be changed; and, what the list of calls cannot say, no process outside can be looked
 * into: its memory, its environment and its descriptors lie in /proc as files to be read. */
static int lock_in(void)
{
	const struct landlock_ruleset_attr rules = {
	    .handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
				 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
	};

	if (landlock_version() == 0)
		return 0;
	auto_close int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

/* No more than `most`; who has less keeps that. */
static int limit(int resource, rlim_t most)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
		return -errno;
	now.rlim_max = min(now.rlim_max, most);
	now.rlim_cur = min(now.rlim_cur, now.rlim_max);
	return setrlimit((__rlimit_resource_t)resource, &now) < 0 ? -errno : 0;
}

static int limit_memory(uint64_t memory)
{
	if (memory == 0)
		return 0;
	int r = limit(RLIMIT_AS, memory + memory / 4 + MEMORY_OF_PROGRAM);
	/* Pages of a file in memory are nobody's address space. */
	return r < 0 ? r : limit(RLIMIT_FSIZE, memory);
}

int sandbox_enter(struct sandbox *ret, uint64_t memory, struct diag *diag)
{
	if (getrandom(&ret->pass, sizeof(ret->pass), 0) != sizeof(ret->pass) || limit(RLIMIT_CORE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return diag_set(diag, -errno, "cannot give up rights: %s", strerror(errno));
	if (SANITIZED)
		return 0;
	int r = drop_capabilities();
	if (r < 0)
		return diag_set(diag, r, "cannot give up capabilities: %s", strerror(-r));
	r = limit_memory(memory);
	if (r < 0)
		return diag_set(diag, r, "cannot limit memory: %s", strerror(-r));
	r = lock_in();
	if (r < 0)
		return diag_set(diag, r, "cannot give up files: %s", strerror(-r));
	r = filter_calls(ret->pass);
	if (r < 0)
		return diag_set(diag, r, "cannot give up system calls: %s", strerror(-r));
	return 0;
}

pid_t sandbox_fork(const struct sandbox *s)
{
	return SANITIZED ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0, s->pass);
}

void sandbox_alarm(const struct sandbox *s, unsigned seconds)
{
	const struct itimerval used = {.it_value.tv_sec = (time_t)seconds};
	const struct itimerval passed = {.it_value.tv_sec = (time_t)seconds * 10};

	syscall(SYS_setitimer, ITIMER_PROF, &used, NULL, 0, 0, s->pass);
	syscall(SYS_setitimer, ITIMER_REAL, &passed, NULL, 0, 0, s->pass);
}

int sandbox_memfd(const struct sandbox *s, const char *name)
{
	long fd = syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0, 0, s->pass);

	return fd < 0 ? -errno : (int)fd;
}

void sandbox_shield(void)
{
	if (landlock_version() == 0)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
