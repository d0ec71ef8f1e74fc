#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/mounts.h"
#include "cli/usage.h"
#include "model/catalog/definition.h"
#include "store/disk.h"
#include "store/lines.h"
#include "store/log.h"

#define LOG_NAME "app.jsonl"
#define PART_NAME "app.jsonl.part" /* until the copy is whole: nobody takes it for a log */

static const char usage[] =
    "usage: eventfold copy MNT DIR\n"
    "\n"
    "Makes a directory of data, DIR, of the log that is mounted at MNT, as it is at this moment, with its\n"
    "reducers and rules: a backup that can be mounted. Nobody who appends is held up. DIR is made, or\n"
    "is empty.\n"
    "The exit status is 1 where nothing could be copied, and where the log is read-only: then it may lack\n"
    "what only its journal has; the reason is said.\n";

/* Both are open; says what is wrong. */
struct copy {
	int mnt, dir;
	struct diag why;
};

static int fail(struct copy *c, int error, const char *what)
{
	return diag_set(&c->why, error, "%s: %s", what, strerror(-error));
}

static int read_head(struct copy *c, uint64_t *ret_off, uint64_t *ret_hash)
{
	char text[64] = "";
	int fd auto_close = openat(c->mnt, "head/app", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	*ret_hash = 0;
	if (n < 0)
		return fail(c, -errno, "reading head/app");
	if (sscanf(text, "%" SCNu64 ":%" SCNx64, ret_off, ret_hash) < 1)
		return fail(c, -EPROTO, "reading head/app");
	return 0;
}

/* Does the copy end with the line that the head names? */
static int check_end(int fd, uint64_t off, uint64_t hash)
{
	uint64_t begin, is;

	if (off == 0)
		return 0;
	int r = lines_find_begin(&disk_posix, fd, 0, off - 1, &begin);
	if (r == 0)
		r = lines_hash(&disk_posix, fd, begin, off - 1, &is);
	return r == 0 && is != hash ? -EBADMSG : r;
}

static int copy_log(struct copy *c, uint64_t *ret_off)
{
	uint64_t hash;
	int from auto_close = openat(c->mnt, "events/app", O_RDONLY | O_CLOEXEC);
	int to auto_close = openat(c->dir, PART_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (from < 0 || to < 0)
		return fail(c, -errno, from < 0 ? "opening events/app" : "creating " PART_NAME);
	int r = read_head(c, ret_off, &hash);
	if (r < 0)
		return r;
	r = disk_copy(&disk_posix, from, 0, *ret_off, &disk_posix, to, 0);
	if (r == 0)
		r = disk_posix.sync(&disk_posix, to);
	if (r == 0)
		r = check_end(to, *ret_off, hash);
	if (r < 0)
		return fail(c, r, "copying events/app");
	r = disk_posix.rename(&disk_posix, c->dir, PART_NAME, LOG_NAME);
	return r < 0 ? fail(c, r, "renaming " PART_NAME) : 0;
}

/* What the mount could not take for one either does not keep the rest from being copied. */
static bool is_definition(int fd, const char *dir, const char *name)
{
	bool leads_nowhere = fd == -ENOENT || fd == -ELOOP;
	bool is = !leads_nowhere && (fd < 0 || disk_posix.size(&disk_posix, fd) != -EINVAL);

	if (!is)
		fprintf(stderr, "eventfold: %s/%s %s: not copied\n", dir, name,
			leads_nowhere ? "leads nowhere" : "is no file");
	return is;
}

static int copy_definition(struct copy *c, enum definition_sort sort, int from_dir, int to_dir,
			   const char *name)
{
	enum reducer_kind kind;
	struct slice stem;
	auto_buf struct buf text = {0};
	size_t done;

	if (!definition_kind_of(sort, name, &kind, &stem))
		return 0;
	int from auto_close = disk_posix.open(&disk_posix, from_dir, name, O_RDONLY, 0);
	if (!is_definition(from, definition_dir(sort), name))
		return 0;
	int to auto_close = openat(to_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		return fail(c, from < 0 ? from : -errno, name);
	int r = disk_slurp(&disk_posix, from, DISK_ANY_SIZE, &text);
	if (r == 0)
		r = disk_pwrite_all(&disk_posix, to, text.data, text.len, 0, &done);
	if (r == 0)
		r = disk_posix.sync(&disk_posix, to);
	return r < 0 ? fail(c, r, name) : 0;
}

static int copy_definitions(struct copy *c, enum definition_sort sort)
{
	const char *name = definition_dir(sort);
	struct dirent *entry;
	int r = 0;

	int from = openat(c->mnt, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = from < 0 ? NULL : fdopendir(from);
	if (!dir) {
		int error = -errno;
		closep(&from);
		/* A daemon of an earlier version has none. */
		return error == -ENOENT && sort == DEFINES_RULES ? 0 : fail(c, error, name);
	}
	int to auto_close =
	    mkdirat(c->dir, name, 0700) < 0 ? -1 : openat(c->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		r = fail(c, -errno, name);
	while (r == 0 && (entry = readdir(dir)))
		r = copy_definition(c, sort, from, to, entry->d_name);
	if (r == 0)
		r = disk_posix.sync_dir(&disk_posix, to);
	closedir(dir);
	return r;
}

static bool is_empty(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return dir && n == 2;
}

static int open_both(struct copy *c, const char *mnt, const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fail(c, -errno, "creating the directory");
	c->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	c->mnt = open(mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0 || c->mnt < 0)
		return fail(c, -errno, "opening the directories");
	return is_empty(c->dir) ? 0 : fail(c, -ENOTEMPTY, "the directory");
}

static int copy(struct copy *c, const char *mnt, const char *path, uint64_t *ret_off)
{
	int r = open_both(c, mnt, path);

	if (r == 0)
		r = copy_definitions(c, DEFINES_VIEWS);
	if (r == 0)
		r = copy_definitions(c, DEFINES_RULES);
	if (r == 0)
		r = copy_log(c, ret_off);
	if (r == 0)
		r = disk_posix.sync_dir(&disk_posix, c->dir);
	int parent auto_close = r < 0 ? -1 : openat(c->dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && parent >= 0)
		r = disk_posix.sync_dir(&disk_posix, parent);
	return r < 0 && !c->why.text[0] ? fail(c, r, "syncing") : r;
}

/* A log that is read-only may lack what was promised. */
static bool is_sound(const char *mnt)
{
	auto_buf struct buf text = {0};

	if (mounts_read(mnt, "status.json", &text) < 0)
		return true;
	cJSON *status = cJSON_ParseWithLength(text.data, text.len);
	const cJSON *log = cJSON_GetObjectItemCaseSensitive(status, "log");
	const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(log, "why"));
	bool sound = !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(log, "read_only"));
	if (!sound)
		fprintf(stderr, "eventfold: %s: copied as it is, but it is read-only: %s\n", mnt,
			why ? why : "");
	cJSON_Delete(status);
	return sound;
}

static int run(const char *path, const char *to)
{
	struct copy c = {.mnt = -1, .dir = -1};
	struct mounts mounts;
	bool sound = true;
	uint64_t off = 0;
	int r = -1;

	if (mounts_list(&mounts) < 0) {
		fputs("eventfold: out of memory\n", stderr);
		return 1;
	}
	const struct mounts_entry *entry = mounts_given(&mounts, path, &c.why);
	if (entry)
		r = copy(&c, entry->mnt, to, &off);
	if (r == 0)
		sound = is_sound(entry->mnt);
	mounts_deinit(&mounts);
	closep(&c.mnt);
	closep(&c.dir);
	if (r < 0) {
		fprintf(stderr, "eventfold: %s: %s\n", entry ? to : "copy", c.why.text);
		return 1;
	}
	printf("%s: %" PRIu64 " bytes of history\n", to, off);
	return sound ? 0 : 1;
}

int cmd_copy(int argc, char **argv)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c != 'h')
			return usage_bad_option("copy", c, argv, longs);
		fputs(usage, stdout);
		return 0;
	}
	if (argc - optind != 2)
		return usage_error("copy", "two directories are wanted: MNT and DIR");
	return run(argv[optind], argv[optind + 1]);
}
