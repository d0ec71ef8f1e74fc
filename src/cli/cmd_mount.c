#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>

#include "base/plain.h"
#include "cli/cluster_program.h"
#include "cli/commands.h"
#include "cli/mount_args.h"
#include "cli/mount_check.h"
#include "cli/mounts.h"
#include "cli/notify.h"
#include "fs/session.h"
#include "model/worker/sandbox.h"

/* How long a daemon that is leaving (its mount is gone) may take to save what it has. */
#define LEAVING_MS 15000
#define LEAVING_STEP_MS 20

static const char usage[] =
    "usage: eventfold mount [-f] [-o OPTIONS] DATA MNT\n"
    "\n"
    "Mounts the event log in the directory DATA (made if it is missing) at MNT, and goes to the\n"
    "background once the mount answers. Unmount with: eventfold umount MNT\n"
    "\n"
    "  -f                       stay in the foreground, report to standard error\n"
    "  -o sync=write            a write returns when its events are on disk (the default)\n"
    "  -o sync=close            close and fsync do: many writers share a sync\n"
    "  -o sync=none             written is enough: data can be lost with the power\n"
    "  -o journal=auto          use a journal beside the log where that makes appends faster (the default)\n"
    "  -o journal=on            always use one\n"
    "  -o journal=off           sync every append in the log itself\n"
    "  -o max_line=SIZE         longest event, 16M by default\n"
    "  -o rotate=SIZE|off       compress the log when it has grown to this, 64M by default\n"
    "  -o reduce_timeout=TIME   processor's time a reducer may take for one event, 1s by default\n"
    "  -o reduce_memory=SIZE    memory of the process that runs the reducers, 2G by default\n"
    "  -o rules_timeout=TIME    how long an append waits for the views of rules, 30s by default\n"
    "  -o tz=ZONE               local time of reducers, such as Europe/Berlin, UTC by default; and of "
    "at/TIME\n"
    "  -o ts=any|strict         strict: refuse a \"ts\" beyond the year 9999, any by default\n"
    "  -o cluster=URL+URL+URL   share the log with other machines, by etcd at these; with log=NAME\n"
    "  -o log=NAME              its name there\n"
    "  -o cluster_window=SIZE   how much of the log is kept there for who was away, 256M or 7d by default\n"
    "  -o cluster_timeout=TIME  how long an append waits for etcd; else for as long as it takes\n"
    "  -o cluster_ca=FILE       whom to believe that he is etcd, with https\n"
    "  -o cluster_cert=FILE     the certificate to show it, and\n"
    "  -o cluster_key=FILE      its key\n"
    "  -o cluster_user=NAME     etcd's user, and\n"
    "  -o cluster_password_file=FILE  his password, which only the file's owner may read\n"
    "  -o data_umask=MASK       permissions that files in DATA are created without, 077 by default\n"
    "  -o uid=ID,gid=ID         whom its files belong to, who may append; with allow_other\n"
    "  -o umask=MASK            which permissions they are without: with 002 the group may append\n"
    "  -o allow_other,ro,…      as for every FUSE mount\n"
    "\n"
    "SIZE is in bytes, or with K, M or G behind it in units of 1024; TIME in seconds, or as 500ms.\n";

/* What the life of one mounting needs. */
struct daemon {
	struct mount_args args;
	struct notify notify;
	struct mount_paths paths;
	char agent_path[PATH_MAX];
	struct zone zone; /* fd -1: UTC, for the reducers */
	int ready_fd;     /* the parent waits here; -1: foreground, or told already */
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
		syslog(LOG_NOTICE, "%s: %s", d->paths.data, line);
}

/* The mount answers: the parent may go, and the terminal is let go. */
static void ready(void *arg)
{
	struct daemon *d = arg;

	notify_send(&d->notify, "READY=1");
	if (d->ready_fd < 0)
		return;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (chdir("/") < 0 || write(d->ready_fd, "", 1) < 0)
		syslog(LOG_WARNING, "%s: %m", d->paths.data);
	close(take_fd(&d->ready_fd));
}

/* 0, or -EBUSY: the data that others hold are mounted somewhere, for as long as that may be. */
static int check_mounted(const char *data, const struct diag *held, struct diag *diag)
{
	struct mounts mounts;
	int r = mounts_list(&mounts);
	const struct mounts_entry *entry = r == 0 ? mounts_of_data(&mounts, data) : NULL;

	if (entry)
		r = diag_set(diag, -EBUSY, "%s is mounted already at %s: %s", data, entry->mnt, held->text);
	if (r == 0 || entry)
		mounts_deinit(&mounts);
	return r;
}

/* Opens the log. Held by another process: refused where it is mounted; else its daemon is on its way out, and
 * is waited for. */
static int open_mount(struct daemon *d, struct mount **ret, struct diag *diag)
{
	struct diag held = {0};

	for (unsigned waited = 0;; waited += LEAVING_STEP_MS) {
		int r = mount_open(ret, &d->args.options, &held);
		if (r <= 0) {
			*diag = held;
			return r;
		}
		r = check_mounted(d->paths.data, &held, diag);
		if (r < 0)
			return r;
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

	if (asprintf(&name, "fsname=%s", d->paths.data) < 0)
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
	int r = se ? fuse_session_mount(se, d->paths.mnt) : -1;

	if (r == 0)
		r = session_run(se, m, signal_fd);
	notify_send(&d->notify, "STOPPING=1");
	/* Every answer is given before the connection goes. */
	mount_close(m);
	if (se) {
		fuse_session_unmount(se);
		fuse_session_destroy(se);
	}
	return r < 0 ? 1 : 0;
}

/* Some megabytes of what is free are kept: what a large write is made into would else go back to the kernel
 * with each, and be cleared anew for the next. */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
}

/* The soft limit is low for the sake of programs that use select(), which none of ours does; the workers have
 * it from here. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)!setrlimit(RLIMIT_NOFILE, &limit); /* where it can't be raised, it stays */
}

/* The zone that is asked for becomes that of at/TIME as well: this process's. Else that is the machine's,
 * which is read now: the fuse thread must not go and look for it each time. */
static int load_zone(struct daemon *d, struct diag *diag)
{
	struct mount_options *o = &d->args.options;

	if (!o->tz) {
		setenv("TZ", ":/etc/localtime", 0);
		tzset();
		return 0;
	}
	int r = zone_load(&d->zone, o->tz, diag);
	if (r < 0)
		return r;
	o->zone = &d->zone;
	r = zone_use(d->zone.fd);
	return r < 0 ? diag_set(diag, r, "cannot read the time zone from /proc: %s", strerror(-r)) : 0;
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
	keep_memory();
	sandbox_shield();
	sigprocmask(SIG_BLOCK, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	auto_close int signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);

	o->data = d->paths.data;
	o->mnt = d->paths.mnt;
	o->worker_path = "/proc/self/exe";
	cluster_program(d->agent_path);
	o->agent_path = d->agent_path;
	o->quiet = !d->args.foreground;
	o->report = report;
	o->ready = ready;
	o->arg = d;
	if ((o->cluster.urls && cluster_program_check(o->agent_path, &diag) < 0) || load_zone(d, &diag) < 0 ||
	    open_mount(d, &m, &diag) < 0) {
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

/* What whoever starts a daemon has open, ignores or lets others read is no part of it: it may live for long
 * after him. */
static void leave_starter(struct daemon *d)
{
	notify_take(&d->notify);
	/* A lock would be kept, and a reader of a pipe would wait. */
	(void)!close_range(STDERR_FILENO + 1, ~0u, 0);
	/* Ignored, it would hide how a worker has ended. */
	signal(SIGCHLD, SIG_DFL);
	umask(d->args.options.data_umask);
}

static int mount_command(int argc, char **argv, bool helper)
{
	struct daemon d = {.ready_fd = -1, .zone.fd = -1};
	struct diag diag = {0};
	int r = mount_args_parse(&d.args, argc, argv, helper, &diag);

	if (r < 0) {
		fprintf(stderr, "eventfold: %s\n%s", diag.text, "Try: eventfold mount --help\n");
		r = 2;
	} else if (d.args.help) {
		fputs(usage, stdout);
	} else if (mount_check(d.args.data, d.args.mnt, &d.paths, &diag) < 0) {
		fprintf(stderr, "eventfold: %s\n", diag.text);
		r = 1;
	} else if (!d.args.fake) {
		leave_starter(&d);
		r = d.args.foreground ? run(&d) : run_in_background(&d);
	}
	zone_deinit(&d.zone);
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
