#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/quantity.h"
#include "cli/commands.h"
#include "cli/noted.h"
#include "cli/offline.h"
#include "cli/plural.h"
#include "cli/progress.h"
#include "cli/verify_view.h"
#include "cli/usage.h"
#include "model/engine/snapshot.h"
#include "model/event/event.h"
#include "store/cursor.h"

static const char usage[] =
    "usage: eventfold verify [--repair] [OPTIONS] DATA\n"
    "       eventfold verify [--repair] [--head OFFSET:SHA256]… [--heads FILE] DATA\n"
    "\n"
    "Checks every line and every archive frame of the log in DATA, and every snapshot of a view, which it\n"
    "compares with a fold from scratch. Prints what is wrong and where. Changes nothing. The exit status\n"
    "is 0 where all is well, 1 for damage, and where a reducer fails.\n"
    "\n"
    "  --repair        first put back what only the journal has, and mend what a power cut has left, as a "
    "mount does\n"
    "  --memory SIZE   of the process that runs a reducer: 2G by default, 0 for no limit\n"
    "  --tz ZONE       local time of the reducers, as in -o tz=; UTC by default\n"
    "  --timeout TIME  processor's time a reducer may take for one event: 10s by default, 0 for no limit\n"
    "\n"
    "With --head or --heads it checks only whether the log is still the one whose heads were noted: every\n"
    "byte before them, from the first one on. If not, it says between which of them it differs, and exits\n"
    "with 1.\n"
    "\n"
    "  --head HEAD     a head as OFFSET:SHA256; may be given more than once\n"
    "  --heads FILE    a file of them, a line each, also as tail/head and head/app.sha256 say them\n"
    "\n"
    "SIZE is in bytes, or with K, M or G behind it in units of 1024; TIME in seconds, or as 500ms.\n";

struct verify {
	const char *data;
	struct verify_limits limits;
	struct offline log;
	struct progress progress;
	uint64_t damaged; /* findings */
	uint64_t snapshots;
};

static void print(struct verify *v, const char *fmt, va_list args) printf_like(2, 0);
static void print(struct verify *v, const char *fmt, va_list args)
{
	progress_clear(&v->progress);
	vprintf(fmt, args);
	putchar('\n');
}

/* Something that is not as it should be. */
static void finding(struct verify *v, const char *fmt, ...) printf_like(2, 3);
static void finding(struct verify *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(v, fmt, args);
	va_end(args);
	v->damaged++;
}

static void remark(struct verify *v, const char *fmt, ...) printf_like(2, 3);
static void remark(struct verify *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(v, fmt, args);
	va_end(args);
}

static void reported(void *arg, const char *text)
{
	finding(arg, "%s", text);
}

/* Lines and frames */

static void check_block(struct verify *v, struct cursor *c, struct event *ev, struct slice block)
{
	struct json_error error;
	struct slice line = {0};

	for (const char *at = block.data, *end = at + block.len; at < end; at += line.len + 1) {
		line = (struct slice){at, (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at)};
		if (!event_scan(ev, line, &error))
			finding(v, "event %llu, offset %llu: column %zu: %s",
				(unsigned long long)c->pos.seq + 1, (unsigned long long)c->pos.off,
				error.at + 1, error.why);
		cursor_advance(c, line.len);
	}
	cursor_hash(c, line);
	progress_add(&v->progress, block.len);
}

static int check_lines(struct verify *v)
{
	struct log_pos start = {0};
	struct event ev = {0};
	struct log_damage damage;
	struct cursor cursor;
	struct slice block;
	int r;

	cursor_init(&cursor, v->log.reader, &start);
	do {
		block.len = 0;
		r = cursor_fill(&cursor, v->log.head.off, &block, &damage);
		if (r > 0)
			finding(v, "offset %llu: %llu bytes cannot be read: %s",
				(unsigned long long)damage.off, (unsigned long long)damage.len, damage.what);
		else if (r == 0 && block.len > 0)
			check_block(v, &cursor, &ev, block);
	} while (r > 0 || (r == 0 && block.len > 0));
	cursor_deinit(&cursor);
	event_deinit(&ev);
	return r;
}

/* What stood behind the part of a file that counts. Where a daemon has the log, that is what it was writing
 * at that moment. */
static void check_ends(struct verify *v)
{
	struct eventlog_stats stats;

	eventlog_stats(v->log.log, &stats);
	bool held = eventlog_is_held(v->log.log);
	if (stats.active_rest > 0 && !held)
		finding(v, "app.jsonl: the last line, at offset %llu, has no newline: %llu bytes",
			(unsigned long long)v->log.head.off, (unsigned long long)stats.active_rest);
	if (stats.group_rest > 0 && !held)
		finding(v, "app.jsonl: a group that is not whole, and what is behind it: %llu bytes",
			(unsigned long long)stats.group_rest);
	if (stats.archive_rest > 0 && stats.rotating)
		remark(v, "archive.jsonl.zst: %llu bytes of a rotation that the next mount finishes",
		       (unsigned long long)stats.archive_rest);
	else if (stats.archive_rest > 0 && !held)
		finding(v, "archive.jsonl.zst: the last %llu bytes are no whole frame",
			(unsigned long long)stats.archive_rest);
	if (stats.journal_rest > 0)
		remark(v, "app.jsonl.journal: %llu bytes that the next mount puts back into app.jsonl",
		       (unsigned long long)stats.journal_rest);
	if (stats.rotating)
		remark(v, "app.jsonl.sealed: a rotation is under way, or the next mount finishes it");
}

/* Snapshots */

static int read_file(int dirfd, const char *name, struct buf *ret)
{
	auto_close int fd = disk_posix.open(&disk_posix, dirfd, name, O_RDONLY, 0);

	return fd < 0 ? fd : disk_slurp(&disk_posix, fd, DISK_ANY_SIZE, ret);
}

static void check_state(struct verify *v, const char *name, const char *view, const struct snapshot *s)
{
	auto_buf struct buf missing = {0};
	struct diag diag = {0};

	switch (verify_view(v->log.data_fd, view, s, &v->limits, &diag)) {
	case VERIFY_SAME:
		if (s->holes.n > 0) {
			holes_explain(&s->holes, &missing);
			remark(v, "views/%s: %.*s", name, (int)missing.len, missing.data ? missing.data : "");
		}
		break;
	case VERIFY_DIFFERS:
		if (s->holes.n > 0)
			remark(v, "views/%s: made while the log was damaged; the next mount folds it anew",
			       name);
		else
			finding(v, "views/%s: its state is not what a fold from scratch gives", name);
		break;
	case VERIFY_FAILED:
		finding(v, "views/%s: not compared: %s", name, diag.text);
		break;
	case VERIFY_OTHER:
		remark(v, "views/%s: not compared: %s", name, diag.text);
	}
}

static void ignore(void *arg, const char *text)
{
}

/* The log as it is now, further on than the one that was checked. */
static void reopen(struct verify *v)
{
	struct offline now;

	if (!offline_open(&now, v->data, ignore, NULL))
		return;
	offline_close(&v->log);
	v->log = now;
}

/* 1: it is not as it should be; why is in the diag. */
static int read_snapshot(struct verify *v, int views_fd, const char *name, bool again, struct buf *text,
			 struct snapshot *ret, struct diag *diag)
{
	buf_clear(text);
	int r = read_file(views_fd, name, text);
	if (r < 0)
		return r;
	/* First the snapshot, then the log: so the log can't be the older one. */
	if (again)
		reopen(v);
	r = snapshot_parse(buf_slice(text), ret, diag);
	return r ? r : snapshot_check(ret, v->log.reader, v->log.head.off, diag);
}

static void check_snapshot(struct verify *v, int views_fd, const char *name, size_t stem)
{
	auto_buf struct buf text = {0};
	char view[LIMIT_NAME + 1] = {0};
	struct diag diag = {0};
	struct snapshot s;

	memcpy(view, name, stem);
	int r = read_snapshot(v, views_fd, name, false, &text, &s, &diag);
	if (r != 0 && eventlog_is_held(v->log.log)) {
		/* A daemon saves and rotates meanwhile. */
		r = read_snapshot(v, views_fd, name, true, &text, &s, &diag);
		if (r == -ENOENT)
			return;
	}
	if (r > 0 && !memmem(text.data, text.len, "\"eventfold\":{", 13)) {
		remark(v, "views/%s: written by another program; a mount folds the view anew", name);
		return;
	}
	if (r != 0) {
		finding(v, "views/%s: %s", name, r < 0 ? strerror(-r) : diag.text);
		return;
	}
	v->snapshots++;
	check_state(v, name, view, &s);
}

static void check_snapshots(struct verify *v)
{
	static const char suffix[] = ".snapshot.json";
	int fd = openat(v->log.data_fd, "views", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), end = sizeof(suffix) - 1;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (len > end && len - end <= LIMIT_NAME && strcmp(entry->d_name + len - end, suffix) == 0 &&
		    entry->d_name[0] != '.')
			check_snapshot(v, fd, entry->d_name, len - end);
		else
			remark(v, "views/%s: a leftover", entry->d_name);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

static void check_leftovers(struct verify *v)
{
	static const char *const torn[] = {"app.jsonl.torn", "archive.jsonl.zst.torn"};
	struct stat st;

	for (size_t i = 0; i < countof(torn); i++)
		if (fstatat(v->log.data_fd, torn[i], &st, 0) == 0)
			remark(v, "%s: %llu bytes that an earlier mount could not use", torn[i],
			       (unsigned long long)st.st_size);
}

static void say(void *arg, const char *text)
{
	fprintf(stderr, "eventfold: %s\n", text);
}

/* As a mount does. */
static bool repair(const char *data)
{
	int fd auto_close = -1;
	struct eventlog *log = offline_write(data, OFFLINE_MEND, &fd);

	eventlog_close(log);
	return log;
}

static int verify(const char *data, const struct verify_limits *limits)
{
	struct verify v = {.data = data, .limits = *limits};

	if (!offline_open(&v.log, data, reported, &v))
		return 1;
	progress_begin(&v.progress, "verify", v.log.head.off);
	struct log_pos head = v.log.head;
	int r = check_lines(&v);
	if (r < 0)
		finding(&v, "the log cannot be read: %s", strerror(-r));
	check_ends(&v);
	check_snapshots(&v);
	check_leftovers(&v);
	progress_clear(&v.progress);
	printf("%llu event%s, %llu bytes, %llu snapshot%s: ", (unsigned long long)head.seq, plural(head.seq),
	       (unsigned long long)head.off, (unsigned long long)v.snapshots, plural(v.snapshots));
	if (v.damaged)
		printf("%llu damaged\n", (unsigned long long)v.damaged);
	else
		printf("all is well\n");
	offline_close(&v.log);
	return v.damaged > 0;
}

static int verify_heads(const char *data, struct notes *notes)
{
	struct progress progress;
	struct offline log;

	if (!offline_open(&log, data, say, NULL))
		return 1;
	progress_begin(&progress, "verify", log.head.off);
	bool good = notes_check(notes, &log, &progress);
	offline_close(&log);
	return !good;
}

int cmd_verify(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"repair", no_argument, NULL, 'r'},        {"memory", required_argument, NULL, 'm'},
	    {"timeout", required_argument, NULL, 't'}, {"tz", required_argument, NULL, 'z'},
	    {"head", required_argument, NULL, 'd'},    {"heads", required_argument, NULL, 'f'},
	    {"help", no_argument, NULL, 'h'},          {0},
	};
	struct verify_limits limits = {.memory = 2ull << 30, .timeout_ms = 10000};
	struct zone zone cleanup(zone_deinit) = {.fd = -1};
	struct diag diag = {0};
	struct notes notes cleanup(notes_deinit) = {0};
	bool repairs = false, heads = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			repairs = true;
			break;
		case 'm':
			if (!parse_size(optarg, &limits.memory))
				return usage_error("verify", "--memory wants a size");
			break;
		case 't':
			if (!parse_duration(optarg, &limits.timeout_ms))
				return usage_error("verify", "--timeout wants a time, such as 500ms or 10s");
			break;
		case 'z':
			zone_deinit(&zone);
			if (zone_load(&zone, optarg, &diag) < 0)
				return usage_error("verify", "--tz: %s", diag.text);
			limits.zone = &zone;
			break;
		case 'd':
			heads = true;
			if (notes_add(&notes, slice_of(optarg)) != 0)
				return usage_error("verify", "--head wants OFFSET:SHA256");
			break;
		case 'f':
			heads = true;
			if (!notes_read(&notes, optarg))
				return 1;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_bad_option("verify", c, argv, longs);
		}
	}
	if (argc - optind != 1)
		return usage_error("verify", "one directory is wanted: DATA");
	if (heads && notes.n == 0) {
		fputs("eventfold: no head is noted there\n", stderr);
		return 1;
	}
	if (repairs && !repair(argv[optind]))
		return 1;
	return heads ? verify_heads(argv[optind], &notes) : verify(argv[optind], &limits);
}
