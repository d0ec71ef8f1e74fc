#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/mounts.h"
#include "cli/usage.h"

/* How long a daemon may take to save the states of its views before it is no longer waited for. */
#define LEAVING_MS (10 * 60 * 1000)
/* A program that has just ended is in the way for a moment, and so is the daemon itself while it raises
 * inotify: so long it is tried again, with pauses. */
#define BUSY_MS 1000
#define BUSY_PAUSE_MS 20

static const char usage[] =
    "usage: eventfold umount [--lazy] MNT\n"
    "\n"
    "Unmounts the log at MNT, and waits until its daemon has saved everything and is gone.\n"
    "\n"
    "  --lazy   also while programs have files of it open: they go on until they close them\n";

/* The daemon's process, to see it end; -1: it can't be told, or it is gone already. */
static int daemon_of(const char *mnt)
{
	auto_buf struct buf text = {0};

	if (mounts_read(mnt, "status.json", &text) < 0)
		return -1;
	cJSON *status = cJSON_ParseWithLength(text.data, text.len);
	const cJSON *pid = cJSON_GetObjectItemCaseSensitive(status, "pid");
	int fd = cJSON_IsNumber(pid) ? pidfd_open(pid->valueint, 0) : -1;
	cJSON_Delete(status);
	return fd;
}

/* Who is not root needs fusermount3, which has its own words for what is wrong. As unmount_once(). */
static int unmount_by_helper(const char *mnt, bool lazy)
{
	const char *const argv[] = {"fusermount3", lazy ? "-uz" : "-u", "--", mnt, NULL};
	char said[1024];
	int status = 0, ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		setenv("LC_ALL", "C", 1);
		execvp(argv[0], (char *const *)argv);
		fprintf(stderr, "eventfold: cannot run fusermount3: %s\n", strerror(errno));
		_exit(1);
	}
	close(ends[1]);
	FILE *in = fdopen(ends[0], "r");
	size_t len = in ? fread(said, 1, sizeof(said), in) : 0;
	if (in)
		fclose(in);
	else
		close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (memmem(said, len, strerror(EBUSY), strlen(strerror(EBUSY))))
		return -EBUSY;
	fwrite(said, 1, len, stderr);
	return 1;
}

/* The exit status, or -EBUSY, which has not been said. */
static int unmount_once(const char *mnt, bool lazy)
{
	if (umount2(mnt, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno == EBUSY)
		return -EBUSY;
	if (errno == EPERM)
		return unmount_by_helper(mnt, lazy);
	fprintf(stderr, "eventfold: cannot unmount %s: %s\n", mnt, strerror(errno));
	return 1;
}

static int unmount(const char *mnt, bool lazy)
{
	const uint64_t until = clock_ms() + BUSY_MS;
	int r;

	while ((r = unmount_once(mnt, lazy)) == -EBUSY && clock_ms() < until)
		poll(NULL, 0, BUSY_PAUSE_MS);
	if (r != -EBUSY)
		return r;
	fprintf(
	    stderr,
	    "eventfold: %s is busy: a program has files of it open, or works in it (fuser -vm names them)\n",
	    mnt);
	return 1;
}

static int run(const char *path, bool lazy)
{
	struct diag diag = {0};
	struct mounts mounts;

	if (mounts_list(&mounts) < 0) {
		fputs("eventfold: out of memory\n", stderr);
		return 1;
	}
	const struct mounts_entry *entry = mounts_given(&mounts, path, &diag);
	int status = 1;
	if (!entry) {
		fprintf(stderr, "eventfold: %s\n", diag.text);
	} else {
		auto_close int daemon = daemon_of(entry->mnt);
		struct pollfd gone = {.fd = daemon, .events = POLLIN};
		status = unmount(entry->mnt, lazy);
		if (status == 0 && !lazy && daemon >= 0 && poll(&gone, 1, LEAVING_MS) == 0) {
			fprintf(stderr, "eventfold: %s is unmounted, but its daemon is still busy\n",
				entry->mnt);
			status = 1;
		}
	}
	mounts_deinit(&mounts);
	return status;
}

int cmd_umount(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"lazy", no_argument, NULL, 'l'}, {"help", no_argument, NULL, 'h'}, {0}};
	bool lazy = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hl", longs, NULL)) != -1) {
		switch (c) {
		case 'l':
			lazy = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_bad_option("umount", c, argv, longs);
		}
	}
	if (argc - optind != 1)
		return usage_error("umount", "one directory is wanted: MNT");
	return run(argv[optind], lazy);
}
