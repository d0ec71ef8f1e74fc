#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"
#include "base/when.h"
#include "cli/at.h"
#include "cli/commands.h"
#include "cli/confined.h"
#include "cli/fold_rules.h"
#include "cli/usage.h"
#include "cli/whole_lines.h"
#include "model/engine/fold.h"
#include "model/event/event_time.h"
#include "model/host/zone.h"
#include "model/link/proto.h"

#define BLOCK (1u << 16)

static const char usage[] =
    "usage: eventfold fold [--each] [--at N|TIME] [--strict] [--tz ZONE] [--memory SIZE]\n"
    "                      REDUCER [FILE…]\n"
    "       eventfold fold --rules DIR [--reducers DIR] [--tz ZONE] [--memory SIZE] [FILE…]\n"
    "       eventfold fold --explain REDUCER.jq\n"
    "\n"
    "Folds events, one a line, with the reducer in the file REDUCER (.jq or .so) and prints the\n"
    "state. Reads standard input where there is no FILE, or for the FILE -.\n"
    "\n"
    "  --each          print the state after every event, a line each\n"
    "  --at N          stop after N events\n"
    "  --at TIME       stop before the first event that came later than TIME\n"
    "  --strict        stop at the first line that is no event; otherwise it is reported and skipped\n"
    "  --tz ZONE       local time of the reducer and of TIME, such as Europe/Berlin; otherwise it is UTC\n"
    "                  for the reducer\n"
    "  --memory SIZE   memory of the process that runs the reducer, 2G by default, 0 for no limit\n"
    "  --rules DIR     show the events to the rules in DIR, and print those lines that are refused, with\n"
    "                  the reason; exit 1 where there are any. What is let in is folded with the reducers\n"
    "                  of the rules' names, from the directory reducers beside DIR\n"
    "  --reducers DIR  or from this one\n"
    "  --explain       say how a jq program is run: compiled, with which parts left to libjq, or by libjq\n"
    "\n"
    "SIZE is in bytes, or with K, M or G behind it in units of 1024. TIME is one of\n"
    "" WHEN_FORMS ";\n"
    "without a zone it is local time.\n";

static const char *const standard_input[] = {"-", NULL};

struct folding {
	struct confined confined;
	struct view view;
	struct fold fold;
	bool each, strict;
	struct at at; /* where to stop: events are counted */
	struct buf state;
	const char *file; /* being read */
	uint64_t first;   /* lines before it */
	bool stop;        /* enough, or too much */
	int status;
};

static void damaged(void *arg, const struct log_pos *before, struct slice line,
		    const struct json_error *error)
{
	struct folding *f = arg;

	fprintf(stderr, "eventfold: %s:%llu: column %zu: %s\n", f->file,
		(unsigned long long)(before->seq - f->first + 1), error->at + 1, error->why);
	if (f->strict) {
		f->status = 1;
		f->stop = true;
	}
}

/* The view has broken: which line it was, and why. */
static void report_broken(struct folding *f)
{
	if (f->view.error_seq)
		fprintf(stderr, "eventfold: %s:%llu: the reducer failed: %s\n", f->file,
			(unsigned long long)(f->view.error_seq - f->first), f->view.why.text);
	else
		fprintf(stderr, "eventfold: the reducer failed: %s\n", f->view.why.text);
	f->status = 1;
	f->stop = true;
}

static void print_state(struct folding *f)
{
	buf_clear(&f->state);
	if (view_write(&f->view, &f->confined.place->mark, &f->state) < 0)
		return report_broken(f);
	buf_add_char(&f->state, '\n');
	if (fwrite(f->state.data, 1, f->state.len, stdout) != f->state.len) {
		fprintf(stderr, "eventfold: cannot write: %s\n", strerror(errno));
		f->status = 1;
		f->stop = true;
	}
}

static void fold_lines(struct folding *f, struct slice lines)
{
	struct view *views[] = {&f->view};
	struct log_pos pos = f->view.pos;

	fold_block(&f->fold, views, 1, &pos, lines);
	if (f->view.error)
		report_broken(f);
}

/* Whole lines. Where each state is wanted, or the end may be in between, they go in one by one. A line that
 * is no event makes no state and does not count. */
static void fold_some(struct folding *f, struct slice lines)
{
	uint64_t most = f->at.by_time ? UINT64_MAX : f->at.n, time;

	if (!f->each && !f->strict && !f->at.by_time && most == UINT64_MAX)
		return fold_lines(f, lines);
	while (lines.len > 0 && !f->stop) {
		const char *newline = memchr(lines.data, '\n', lines.len);
		size_t len = (size_t)(newline - lines.data) + 1;
		if (f->at.by_time && event_time((struct slice){lines.data, len - 1}, f->at.after, &time)) {
			f->stop = true;
			return;
		}
		uint64_t events = f->fold.events;
		fold_lines(f, (struct slice){lines.data, len});
		lines = (struct slice){lines.data + len, lines.len - len};
		if (f->each && !f->stop && f->fold.events > events)
			print_state(f);
		if (f->fold.events >= most)
			f->stop = true;
	}
}

static bool take_lines(void *arg, struct slice lines)
{
	struct folding *f = arg;

	fold_some(f, lines);
	return !f->stop;
}

static void fold_file(struct folding *f, uint32_t i)
{
	f->file = confined_file_name(f->confined.files[i]);
	f->first = f->view.pos.seq;
	f->confined.place->file = i + 1;
	f->confined.place->first = f->first;
	auto_close int fd = confined_open(&f->confined, i);
	int r = fd < 0 ? fd : whole_lines(fd, take_lines, f);
	if (r < 0) {
		fprintf(stderr, "eventfold: cannot read %s: %s\n", f->file, strerror(-r));
		f->status = 1;
		f->stop = true;
	}
}

static int fold_all(struct folding *f, enum reducer_kind kind, int fd)
{
	struct confined_place *place = f->confined.place;
	struct log_pos start = {0};
	struct reducer *loaded;
	struct diag diag = {0};

	place->mark.phase = FOLD_LOADING;
	if (reducer_load(&loaded, kind, fd, &diag) < 0) {
		fprintf(stderr, "eventfold: %s: %s\n", f->confined.reducer, diag.text);
		return 1;
	}
	place->mark.phase = FOLD_IDLE;
	view_init(&f->view, 1, loaded, &start);
	fold_init(&f->fold, &place->mark);
	f->fold.damaged = damaged;
	f->fold.arg = f;
	f->stop = !f->at.by_time && f->at.n == 0;
	for (uint32_t i = 0; f->confined.files[i] && !f->stop; i++)
		fold_file(f, i);
	if (!f->each && f->status == 0)
		print_state(f);
	if (fflush(stdout) != 0 && f->status == 0) {
		fprintf(stderr, "eventfold: cannot write: %s\n", strerror(errno));
		f->status = 1;
	}
	fold_deinit(&f->fold);
	view_deinit(&f->view);
	buf_deinit(&f->state);
	return f->status;
}

static int run(struct folding *f, char *reducer, char **files)
{
	const char *name = strrchr(reducer, '/');
	enum reducer_kind kind;
	struct slice stem;
	int status;

	if (!reducer_kind_of(name ? name + 1 : reducer, &kind, &stem)) {
		fprintf(stderr, "eventfold: %s: a reducer's file ends in .jq or .so\n", reducer);
		return 2;
	}
	auto_close int fd = confined_copy(reducer);
	if (fd < 0) {
		fprintf(stderr, "eventfold: cannot open %s: %s\n", reducer, strerror(-fd));
		return 1;
	}
	f->confined.reducer = reducer;
	f->confined.files = *files ? (const char *const *)files : standard_input;
	if (!confined_start(&f->confined, &status))
		return status;
	status = fold_all(f, kind, fd);
	f->confined.place->done = 1;
	return status;
}

/* How the program in a file is run. */
static int explain(const char *path)
{
	auto_buf struct buf program = {0}, text = {0};
	struct diag diag = {0};
	const char *dot = strrchr(path, '.');

	if (!dot || strcmp(dot, ".jq") != 0) {
		fprintf(stderr, "eventfold: %s: --explain is for programs in jq\n", path);
		return 2;
	}
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0 && buf_reserve(&program, BLOCK) == 0) {
		n = read(fd, program.data + program.len, BLOCK);
		program.len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0 || program.failed) {
		fprintf(stderr, "eventfold: cannot open %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (reducer_explain_jq(buf_slice(&program), &text, &diag) < 0) {
		fprintf(stderr, "eventfold: %s: %s\n", path, diag.text);
		return 1;
	}
	fwrite(text.data, 1, text.len, stdout);
	return 0;
}

static bool use_zone(const char *name)
{
	struct zone zone;
	struct diag diag = {0};

	int r = zone_load(&zone, name, &diag);
	if (r < 0) {
		usage_error("fold", "--tz: %s", diag.text);
		return false;
	}
	r = zone_use(zone.fd);
	zone_deinit(&zone);
	if (r < 0)
		fprintf(stderr, "eventfold: --tz: cannot read /proc: %s\n", strerror(-r));
	return r == 0;
}

int cmd_fold(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"each", no_argument, NULL, 'e'},         {"at", required_argument, NULL, 'n'},
	    {"strict", no_argument, NULL, 's'},       {"tz", required_argument, NULL, 'z'},
	    {"memory", required_argument, NULL, 'm'}, {"explain", no_argument, NULL, 'x'},
	    {"rules", required_argument, NULL, 'r'},  {"reducers", required_argument, NULL, 'R'},
	    {"help", no_argument, NULL, 'h'},         {0},
	};
	struct folding f = {.at = AT_END, .confined.memory = 2ull << 30};
	const char *at = NULL, *tz = NULL, *rules = NULL, *reducers = NULL;
	bool only_explain = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'e':
			f.each = true;
			break;
		case 'n':
			at = optarg;
			break;
		case 's':
			f.strict = true;
			break;
		case 'z':
			tz = optarg;
			break;
		case 'x':
			only_explain = true;
			break;
		case 'r':
			rules = optarg;
			break;
		case 'R':
			reducers = optarg;
			break;
		case 'm':
			if (!parse_size(optarg, &f.confined.memory))
				return usage_error("fold", "--memory wants a size");
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_bad_option("fold", c, argv, longs);
		}
	}
	if (tz && !use_zone(tz))
		return 2;
	if (at && !at_parse(at, &f.at))
		return usage_error("fold", "--at wants a number of events, or a time: " WHEN_FORMS);
	if (rules && (at || f.each || f.strict || only_explain))
		return usage_error("fold", "--rules goes with --reducers, --tz and --memory only");
	if (reducers && !rules)
		return usage_error("fold", "--reducers goes with --rules");
	if (optind == argc && !rules)
		return usage_error("fold", "a reducer is wanted");
	if (only_explain)
		return explain(argv[optind]);
	/* A reducer gives the same wherever it runs. */
	if (!tz)
		zone_use_utc();
	if (rules) {
		f.confined.files = optind < argc ? (const char *const *)argv + optind : standard_input;
		return fold_rules(&f.confined, rules, reducers);
	}
	/* Whoever reads each state reads them as they come. */
	if (f.each)
		setvbuf(stdout, NULL, _IOLBF, 0);
	return run(&f, argv[optind], argv + optind + 1);
}
