#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>

#include "base/plain.h"
#include "cli/commands.h"
#include "cli/mount_args.h"
#include "fs/session.h"
#include "model/sandbox.h"

/* How long a daemon that is leaving (its mount is gone) may take to save what it has. */
#define LEAVING_MS 15000
#define LEAVING_STEP_MS 20

static const char usage[] =
    "usage: eventfold mount [-f] [-o OPTIONS] DATA MNT\n"
    "\n"
    "Mounts the event log in the directory DATA (made if it is missing) at MNT, and goes to the\n"
    "background once the mount answers. Unmount with: fusermount3 -u MNT\n"
    "\n"
    "  -f                       stay in the foreground, report to standard error\n"
    "  -o sync=write            a write returns when its events are on disk (the default)\n"
    "  -o sync=close            close and fsync do: many writers share a sync\n"
    "  -o sync=none             written is enough: data can be lost with the power\n"
    "  -o max_line=SIZE         longest event, 16M by default\n"
    "  -o rotate=SIZE|off       compress the log when it has grown to this, 64M by default\n"
    "  -o reduce_timeout=TIME   processor's time a reducer may take for one event, 1s by default\n"
    "  -o reduce_memory=SIZE    memory of the process that runs the reducers, 2G by default\n"
    "  -o data_umask=MASK       permissions that files in DATA are created without, 077 by default\n"
    "  -o allow_other,ro,…      as for every FUSE mount\n";

/* What the life of one mounting needs. */
struct daemon {
	struct mount_args args;
	char data[PATH_MAX], mnt[PATH_MAX]; /* resolved */
	int ready_fd;                       /* the parent waits here; -1: foreground, or told already */
};

static void report(void *arg, const char *text)
{
	struct daemon *d = arg;
	char line[1024];

	/* It may have names of files in it, and been cut anywhere. */
	plain_text(line, sizeof(line), slice_of(text), false);
	if (d->args.foreground)
		fprintf(stderr, "eventfold: %s\n", line);
	else
		syslog(LOG_NOTICE, "%s: %s", d->data, line);
}

/* The mount answers: the parent may go, and the terminal is let go. */
static void ready(void *arg)
{
	struct daemon *d = arg;

	if (d->ready_fd < 0)
		return;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (chdir("/") < 0 || write(d->ready_fd, "", 1) < 0)
		syslog(LOG_WARNING, "%s: %m", d->data);
	close(take_fd(&d->ready_fd));
}

/* Where DATA is mounted now, by whomever; NULL: nowhere that can be seen from here. */
static char *mounted_at(const char *data)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	char *found = NULL;
	struct mntent *entry;

	if (!mounts)
		return NULL;
	while (!found && (entry = getmntent(mounts)))
		if (strcmp(entry->mnt_type, "fuse.eventfold") == 0 && strcmp(entry->mnt_fsname, data) == 0)
			found = strdup(entry->mnt_dir);
	endmntent(mounts);
	return found;
}

/* What a killed daemon has left behind is taken away. */
static int detach_stale(const char *mnt, struct diag *diag)
{
	if (umount2(mnt, MNT_DETACH) == 0)
		return 0;
	pid_t pid = fork();
	if (pid == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-z", mnt, (char *)NULL);
		_exit(127);
	}
	int status;
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return 0;
	return diag_set(diag, -ENOTCONN,
			"%s is the mount of a daemon that died; fusermount3 -u -z %s frees it", mnt, mnt);
}

static int check_mnt(struct daemon *d, struct diag *diag)
{
	const char *mnt = d->args.mnt;
	struct stat st;

	if (stat(mnt, &st) < 0 && errno == ENOTCONN) {
		int r = detach_stale(mnt, diag);
		if (r < 0)
			return r;
	}
	if (stat(mnt, &st) < 0)
		return diag_set(diag, -errno, "cannot mount at %s: %s", mnt, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return diag_set(diag, -ENOTDIR, "cannot mount at %s: it is no directory", mnt);
	if (!realpath(mnt, d->mnt))
		return diag_set(diag, -errno, "cannot mount at %s: %s", mnt, strerror(errno));
	return 0;
}

/* DATA's absolute path; DATA itself may be missing. */
static int resolve_data(struct daemon *d, struct diag *diag)
{
	const char *data = d->args.data;
	char parent[PATH_MAX];

	if (realpath(data, d->data))
		return 0;
	int error = errno;
	size_t len = strlen(data);
	while (len > 1 && data[len - 1] == '/')
		len--;
	if (error != ENOENT || len == 0 || len >= sizeof(parent))
		return diag_set(diag, -error, "cannot open %s: %s", data, strerror(error));
	size_t dir = len;
	while (dir > 0 && data[dir - 1] != '/')
		dir--;
	snprintf(parent, sizeof(parent), "%.*s", dir ? (int)dir : 1, dir ? data : ".");
	if (!realpath(parent, d->data))
		return diag_set(diag, -errno, "cannot create %s: %s", data, strerror(errno));
	size_t at = strlen(d->data);
	if (at + 1 + (len - dir) >= sizeof(d->data))
		return diag_set(diag, -ENAMETOOLONG, "cannot create %s: %s", data, strerror(ENAMETOOLONG));
	snprintf(d->data + at, sizeof(d->data) - at, "%s%.*s", at > 1 ? "/" : "", (int)(len - dir),
		 data + dir);
	return 0;
}

/* Is the path (absolute, resolved) the directory, or below it? By what they are, not by their names: a bind mount has two. */
static bool is_in(const char *path, const char *dir)
{
	struct stat wanted, st;
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (stat(dir, &wanted) < 0)
		return false;
	for (; len > 0; len--) {
		if (path[len] != '\0' && path[len] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)len, path);
		if (stat(part, &st) == 0 && st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino)
			return true;
	}
	return stat("/", &st) == 0 && st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino;
}

static int check_fuse(struct diag *diag)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == EACCES)
		return diag_set(diag, -EACCES, "cannot use FUSE: %s", "/dev/fuse: Permission denied");
	return diag_set(diag, -errno,
			"FUSE is missing here: /dev/fuse: %s (load the kernel's module with: modprobe fuse)",
			strerror(errno));
}

/* All that can be found out without changing anything. */
static int check(struct daemon *d, struct diag *diag)
{
	int r = check_mnt(d, diag);
	if (r == 0)
		r = resolve_data(d, diag);
	if (r == 0)
		r = check_fuse(diag);
	if (r < 0)
		return r;
	if (is_in(d->data, d->mnt))
		return diag_set(diag, -EINVAL,
				"the mount at %s would hide the data in %s: use another directory", d->mnt,
				d->data);
	/* A part of the data would be hidden, and asked of the daemon that needs it. */
	if (is_in(d->mnt, d->data))
		return diag_set(diag, -EINVAL,
				"cannot mount at %s: it is inside the data in %s; use another directory",
				d->mnt, d->data);
	return 0;
}

/* Opens the log. Held by another process: refused where it is mounted; else its daemon is on its way out, and is waited for. */
static int open_mount(struct daemon *d, struct mount **ret, struct diag *diag)
{
	struct diag held = {0};

	for (unsigned waited = 0;; waited += LEAVING_STEP_MS) {
		int r = mount_open(ret, &d->args.options, &held);
		if (r <= 0) {
			*diag = held;
			return r;
		}
		auto_free char *where = mounted_at(d->data);
		if (where)
			return diag_set(diag, -EBUSY, "%s is mounted already at %s: %s", d->data, where,
					held.text);
		if (waited >= LEAVING_MS)
			return diag_set(diag, -EBUSY, "%s", held.text);
		poll(NULL, 0, LEAVING_STEP_MS);
	}
}

static struct fuse_session *make_session(struct daemon *d, struct mount *m)
{
	struct fuse_args fuse_args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se = NULL;
	auto_free char *name = NULL, *escaped = NULL;

	if (asprintf(&name, "fsname=%s", d->data) < 0)
		return NULL;
	if (fuse_opt_add_opt_escaped(&escaped, name) == 0 && fuse_opt_add_arg(&fuse_args, "eventfold") == 0 &&
	    fuse_opt_add_arg(&fuse_args, "-osubtype=eventfold") == 0 &&
	    fuse_opt_add_arg(&fuse_args, "-o") == 0 && fuse_opt_add_arg(&fuse_args, escaped) == 0 &&
	    (!d->args.fuse_options || (fuse_opt_add_arg(&fuse_args, "-o") == 0 &&
				       fuse_opt_add_arg(&fuse_args, d->args.fuse_options) == 0)))
		se = fuse_session_new(&fuse_args, &mount_ops, sizeof(mount_ops), m);
	fuse_opt_free_args(&fuse_args);
	return se;
}

/* From the first request to the last. libfuse has said itself what went wrong where this fails. */
static int serve(struct daemon *d, struct mount *m, int signal_fd)
{
	struct fuse_session *se = make_session(d, m);
	int r = se ? fuse_session_mount(se, d->mnt) : -1;

	if (r == 0)
		r = session_run(se, m, signal_fd);
	/* Every answer is given before the connection goes. */
	mount_close(m);
	if (se) {
		fuse_session_unmount(se);
		fuse_session_destroy(se);
	}
	return r < 0 ? 1 : 0;
}

/* The soft limit is low for the sake of programs that use select(), which none of ours does; the workers have it from here. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)!setrlimit(RLIMIT_NOFILE, &limit); /* where it can't be raised, it stays */
}

static int run(struct daemon *d)
{
	struct mount_options *o = &d->args.options;
	struct diag diag = {0};
	struct mount *m;
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	raise_descriptors();
	sandbox_shield();
	sigprocmask(SIG_BLOCK, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	auto_close int signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);

	o->data = d->data;
	o->mnt = d->mnt;
	o->worker_path = "/proc/self/exe";
	o->quiet = !d->args.foreground;
	o->report = report;
	o->ready = ready;
	o->arg = d;
	if (open_mount(d, &m, &diag) < 0) {
		fprintf(stderr, "eventfold: %s\n", diag.text);
		return 1;
	}
	return serve(d, m, signal_fd);
}

/* The parent of a daemon on its way: its word, or its end. */
static int wait_ready(int fd, pid_t child)
{
	char byte;
	ssize_t n;
	int status;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	return 1;
}

static int run_in_background(struct daemon *d)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0) {
		perror("eventfold: pipe");
		return 1;
	}
	pid_t pid = fork();
	if (pid < 0) {
		perror("eventfold: fork");
		return 1;
	}
	if (pid > 0) {
		close(fds[1]);
		return wait_ready(fds[0], pid);
	}
	close(fds[0]);
	d->ready_fd = fds[1];
	setsid();
	openlog("eventfold", LOG_PID, LOG_DAEMON);
	return run(d);
}

/* What whoever starts a daemon has open, ignores or lets others read is no part of it: it may live for long after him. */
static void leave_starter(const struct daemon *d)
{
	/* A lock would be kept, and a reader of a pipe would wait. */
	(void)!close_range(STDERR_FILENO + 1, ~0u, 0);
	/* Ignored, it would hide how a worker has ended. */
	signal(SIGCHLD, SIG_DFL);
	umask(d->args.options.data_umask);
}

static int mount_command(int argc, char **argv, bool helper)
{
	struct daemon d = {.ready_fd = -1};
	struct diag diag = {0};
	int r = mount_args_parse(&d.args, argc, argv, helper, &diag);

	if (r < 0) {
		fprintf(stderr, "eventfold: %s\n%s", diag.text, "Try: eventfold mount --help\n");
		r = 2;
	} else if (d.args.help) {
		fputs(usage, stdout);
	} else if (check(&d, &diag) < 0) {
		fprintf(stderr, "eventfold: %s\n", diag.text);
		r = 1;
	} else if (!d.args.fake) {
		leave_starter(&d);
		r = d.args.foreground ? run(&d) : run_in_background(&d);
	}
	mount_args_deinit(&d.args);
	return r;
}

int cmd_mount(int argc, char **argv)
{
	return mount_command(argc, argv, false);
}

int cmd_mount_helper(int argc, char **argv)
{
	return mount_command(argc, argv, true);
}
