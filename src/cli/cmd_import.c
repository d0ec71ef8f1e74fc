#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "cli/appender.h"
#include "cli/commands.h"
#include "cli/plural.h"
#include "cli/progress.h"
#include "cli/usage.h"
#include "model/event/event_group.h"

/* One write: well below what the kernel would take apart. */
#define BATCH (256u << 10)

static const char usage[] =
    "usage: eventfold import [--from LINE] [--refused FILE] MNT FILE\n"
    "\n"
    "Appends the events in FILE, one a line, to the log at MNT; FILE may be - for standard input. A line "
    "that\n"
    "is an array of events is appended whole. A line that is no event goes into FILE.refused.jsonl, with "
    "its\n"
    "number and the reason, and the others are appended.\n"
    "The exit status is 1 if any was refused.\n"
    "\n"
    "  --from LINE      begin with this line, to go on where an import has stopped\n"
    "  --refused FILE   where what is refused goes; it must not exist\n";

struct import_line {
	uint64_t number;
	uint64_t events; /* of a group several */
};

struct import {
	const char *file, *refused_path;
	struct appender appender;
	struct event scanner;
	struct progress progress;
	uint64_t from, line; /* the line that was read last; from 1 */
	uint64_t taken, refused;
	FILE *refusals; /* made with the first one */

	/* Lines that are not written yet, with a newline each, and what they are. */
	struct buf batch;
	struct import_line *lines;
	size_t n, cap;
};

static volatile sig_atomic_t stopped;

static void stop(int signum)
{
	stopped = 1;
}

static int refuse(struct import *im, uint64_t line, size_t column, const char *why, struct slice text)
{
	auto_buf struct buf b = {0};

	if (!im->refusals) {
		int fd = open(im->refused_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		im->refusals = fd < 0 ? NULL : fdopen(fd, "w");
		if (!im->refusals) {
			fprintf(stderr, "eventfold: cannot create %s: %s\n", im->refused_path,
				strerror(errno));
			return -EIO;
		}
	}
	im->refused++;
	buf_printf(&b, "{\"line\":%llu,", (unsigned long long)line);
	if (column)
		buf_printf(&b, "\"column\":%zu,", column);
	buf_add_str(&b, "\"reason\":");
	buf_add_json(&b, slice_of(why));
	buf_add_str(&b, ",\"text\":");
	buf_add_json(&b, text);
	buf_add_str(&b, "}\n");
	if (!b.failed && fwrite(b.data, 1, b.len, im->refusals) == b.len && fflush(im->refusals) == 0)
		return 0;
	fprintf(stderr, "eventfold: cannot write %s: %s\n", im->refused_path, strerror(errno));
	return -EIO;
}

/* `text` was written as far as `written`, which is whole lines: those have left the batch, and how many they
 * were. */
static size_t lines_in(struct slice text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.data[i] == '\n';
	return n;
}

static void take_first(struct import *im, size_t bytes, size_t lines)
{
	buf_drop(&im->batch, bytes);
	im->n -= lines;
	memmove(im->lines, im->lines + lines, im->n * sizeof(*im->lines));
}

/* Writes the batch. A line that the mount does not take, for a rule of its own, is refused, and the rest goes
 * on. */
static int flush_batch(struct import *im)
{
	while (im->n > 0) {
		struct diag diag = {0};
		size_t written = 0;
		int r = appender_write(&im->appender, buf_slice(&im->batch), &written, &diag);
		size_t lines = lines_in((struct slice){im->batch.data, written});
		for (size_t i = 0; i < lines; i++)
			im->taken += im->lines[i].events;
		take_first(im, written, lines);
		if (r == 0)
			continue;
		if (r != -EINVAL && r != -EMSGSIZE && r != -EPERM) {
			fprintf(stderr, "eventfold: %s:%llu: %s\n", im->file,
				(unsigned long long)im->lines[0].number, diag.text);
			return r;
		}
		const char *newline = memchr(im->batch.data, '\n', im->batch.len);
		size_t len = (size_t)(newline - im->batch.data);
		r = refuse(im, im->lines[0].number, 0, diag.text, (struct slice){im->batch.data, len});
		if (r < 0)
			return r;
		take_first(im, len + 1, 1);
	}
	return 0;
}

static int add_line(struct import *im, struct slice line, uint64_t events)
{
	if (!list_room(im->lines, im->n, im->cap, 1024))
		return -ENOMEM;
	im->lines[im->n++] = (struct import_line){im->line, events};
	buf_add_slice(&im->batch, line);
	buf_add_char(&im->batch, '\n');
	return buf_error(&im->batch);
}

static bool is_blank(struct slice s)
{
	const char *end = slice_end(s);

	return json_skip_space(s.data, end) == end;
}

static int import_line(struct import *im, struct slice line)
{
	struct json_error error;

	if (is_blank(line))
		return 0;
	long events = event_group_check(line, &im->scanner, &error);
	if (events == -ENOMEM)
		return -ENOMEM;
	if (events < 0) {
		/* The ones before it come first, in the file of refusals as in the log. */
		int r = flush_batch(im);
		return r < 0 ? r : refuse(im, im->line, error.at + 1, error.why, line);
	}
	if (im->batch.len > 0 && im->batch.len + line.len >= BATCH) {
		int r = flush_batch(im);
		if (r < 0)
			return r;
	}
	return add_line(im, line, (uint64_t)events);
}

static int import_lines(struct import *im, FILE *in)
{
	auto_free char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int r = 0;

	errno = 0;
	while (r == 0 && !stopped && (len = getline(&line, &room, in)) > 0) {
		im->line++;
		progress_add(&im->progress, (uint64_t)len);
		if (line[len - 1] == '\n')
			len--;
		if (im->line >= im->from)
			r = import_line(im, (struct slice){line, (size_t)len});
	}
	if (r == 0 && ferror(in) && !stopped) {
		r = -errno;
		fprintf(stderr, "eventfold: cannot read %s: %s\n", im->file, strerror(-r));
	}
	int flushed = r == 0 || ferror(in) ? flush_batch(im) : 0;
	return r < 0 ? r : flushed;
}

/* The line with which to go on. */
static uint64_t next_line(const struct import *im)
{
	return im->n > 0 ? im->lines[0].number : im->line + 1;
}

static int report(struct import *im, int r)
{
	struct diag diag = {0};
	int closed = appender_close(&im->appender, &diag);

	progress_clear(&im->progress);
	if (closed < 0)
		fprintf(stderr, "eventfold: not everything may be on disk: %s\n", diag.text);
	printf("%llu event%s imported", (unsigned long long)im->taken, plural(im->taken));
	if (im->refused)
		printf(", %llu line%s refused: see %s", (unsigned long long)im->refused, plural(im->refused),
		       im->refused_path);
	putchar('\n');
	if (r < 0 || stopped)
		fprintf(stderr, "eventfold: stopped; go on with --from %llu\n",
			(unsigned long long)next_line(im));
	return r < 0 || closed < 0 || stopped || im->refused ? 1 : 0;
}

/* 0, or -1 with what is wrong said. */
static int look_at(const struct import *im, FILE *in, uint64_t *ret_size)
{
	struct stat from, to;

	if (access(im->refused_path, F_OK) == 0) {
		fprintf(stderr,
			"eventfold: %s exists already: move it away, or name another with --refused\n",
			im->refused_path);
		return -1;
	}
	if (fstat(fileno(in), &from) < 0 || fstat(im->appender.fd, &to) < 0) {
		fprintf(stderr, "eventfold: %s: %s\n", im->file, strerror(errno));
		return -1;
	}
	if (S_ISDIR(from.st_mode)) {
		fprintf(stderr, "eventfold: cannot read %s: %s\n", im->file, strerror(EISDIR));
		return -1;
	}
	if (from.st_dev == to.st_dev) {
		fprintf(stderr, "eventfold: %s lies in the mount itself\n", im->file);
		return -1;
	}
	*ret_size = S_ISREG(from.st_mode) ? (uint64_t)from.st_size : 0;
	return 0;
}

static int run(struct import *im, const char *mnt)
{
	bool is_stdin = strcmp(im->file, "-") == 0;
	struct sigaction action = {.sa_handler = stop};
	struct diag diag = {0};
	uint64_t size = 0;
	int status = 1;

	FILE *in = is_stdin ? stdin : fopen(im->file, "re");
	if (!in) {
		fprintf(stderr, "eventfold: cannot open %s: %s\n", im->file, strerror(errno));
		return 1;
	}
	if (appender_open(&im->appender, mnt, NULL, &diag) < 0) {
		fprintf(stderr, "eventfold: %s\n", diag.text);
	} else if (look_at(im, in, &size) == 0) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		progress_begin(&im->progress, "importing", size);
		status = report(im, import_lines(im, in));
	}
	if (!is_stdin)
		fclose(in);
	return status;
}

static int import_file(struct import *im, const char *mnt, const char *file)
{
	auto_free char *path = NULL;

	im->file = file;
	if (!im->refused_path) {
		if (asprintf(&path, "%s.refused.jsonl", strcmp(file, "-") == 0 ? "import" : file) < 0)
			return 1;
		im->refused_path = path;
	}
	int status = run(im, mnt);
	if (im->refusals && fclose(im->refusals) != 0)
		status = 1;
	closep(&im->appender.fd);
	event_deinit(&im->scanner);
	buf_deinit(&im->batch);
	free(im->lines);
	return status;
}

int cmd_import(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"from", required_argument, NULL, 'f'},
	    {"refused", required_argument, NULL, 'r'},
	    {"help", no_argument, NULL, 'h'},
	    {0},
	};
	struct import im = {.from = 1, .appender.fd = -1};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			if (!usage_number(optarg, &im.from))
				return usage_error("import", "--from wants the number of a line");
			break;
		case 'r':
			im.refused_path = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_bad_option("import", c, argv, longs);
		}
	}
	if (argc - optind != 2)
		return usage_error("import", "a mount and a file are wanted: MNT FILE");
	return import_file(&im, argv[optind], argv[optind + 1]);
}
