#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/cluster_program.h"
#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/usage.h"
#include "cluster/link/args.h"

static const char usage[] =
    "usage: eventfold cluster begin [--anew] -o OPTIONS DATA\n"
    "       eventfold cluster status -o OPTIONS\n"
    "       eventfold cluster forget -o OPTIONS MACHINE\n"
    "\n"
    "A log that several machines share has its order in an engine, etcd.\n"
    "\n"
    "  begin       give the log in DATA, which is not mounted, a name in the engine\n"
    "  status      say what the engine has of it, and how the machines are\n"
    "  forget      do not wait for that machine any more; it may have to be copied anew to come back\n"
    "  -o OPTIONS  those of the mount that say where the engine is, and what the log is called there:\n"
    "              cluster=http://A:2379+http://B:2379+http://C:2379,log=NAME\n"
    "  --anew      begin although there is one of that name: it is replaced, and what is lost by that is "
    "said\n";

/* What was given. The words of the options are cut apart only in the copy that is looked at. */
struct given {
	const char *what;
	char *options;
	const char *operand; /* DATA, or MACHINE */
	bool anew, help;
	char program[PATH_MAX];
};

/* 0, or -EINVAL with the reason. */
static int check_options(const char *text, struct diag *diag)
{
	struct cluster_options options = {0};
	auto_free char *copy = strdup(text);
	char *save;
	int r = copy ? 1 : -ENOMEM;

	cluster_args_begin(&options);
	for (char *word = r > 0 ? strtok_r(copy, ",", &save) : NULL; word && r > 0;
	     word = strtok_r(NULL, ",", &save)) {
		r = cluster_args_parse(&options, word, diag);
		if (r == 0)
			r = diag_set(diag, -EINVAL, "-o %s is none of the options of a shared log", word);
	}
	if (r > 0)
		r = cluster_args_check(&options, diag);
	if (r == 0 && !options.urls)
		r = diag_set(diag, -EINVAL, "-o cluster=URL+URL+…,log=NAME is wanted");
	cluster_args_deinit(&options);
	return r;
}

/* Several -o are one. */
static bool add_options(struct given *g, const char *text)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", g->options ? g->options : "", g->options ? "," : "", text) < 0)
		return false;
	free(g->options);
	g->options = joined;
	return true;
}

/* 0, or the exit status. */
static int read_arguments(struct given *g, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"anew", no_argument, NULL, 'a'}, {"help", no_argument, NULL, 'h'}, {0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":ho:", longs, NULL)) != -1) {
		if (c == 'a')
			g->anew = true;
		else if (c == 'h')
			g->help = true;
		else if (c != 'o')
			return usage_bad_option("cluster", c, argv, longs);
		else if (!add_options(g, optarg))
			return 1;
	}
	if (g->help)
		return 0;
	if (optind == argc)
		return usage_error("cluster", "begin, status or forget is wanted");
	g->what = argv[optind++];
	if (optind < argc)
		g->operand = argv[optind++];
	return optind < argc ? usage_error("cluster", "%s is too much", argv[optind]) : 0;
}

/* 0, or the exit status. */
static int check(struct given *g)
{
	bool begin = strcmp(g->what, "begin") == 0, forget = strcmp(g->what, "forget") == 0;
	struct diag diag = {0};

	if (!begin && !forget && strcmp(g->what, "status") != 0)
		return usage_error("cluster", "'%s' is none of begin, status and forget", g->what);
	if (g->anew && !begin)
		return usage_error("cluster", "--anew goes with begin");
	if (begin && !g->operand)
		return usage_error("cluster", "begin wants a directory: DATA");
	if (forget && !g->operand)
		return usage_error("cluster", "forget wants a machine; status lists them");
	if (!begin && !forget && g->operand)
		return usage_error("cluster", "status wants no more than -o");
	if (!g->options)
		return usage_error("cluster", "-o cluster=URL+URL+…,log=NAME is wanted");
	if (check_options(g->options, &diag) < 0)
		return usage_error("cluster", "%s", diag.text);
	cluster_program(g->program);
	if (cluster_program_check(g->program, &diag) == 0)
		return 0;
	fprintf(stderr, "eventfold: %s\n", diag.text);
	return 1;
}

/* Becomes the program that knows the engine. */
static int become(const struct given *g, const char *what)
{
	execl(g->program, "eventfold-cluster", what, g->options, g->operand, (char *)NULL);
	fprintf(stderr, "eventfold: %s: %s\n", g->program, strerror(errno));
	return 1;
}

/* Its exit status. */
static int run(const struct given *g, const char *what)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(become(g, what));
	if (child < 0)
		perror("eventfold: fork");
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* What a crash has left undecided is a part of the log with which another order begins, and of none that goes
 * on: only once it may begin. */
static int take_proposed(const struct given *g, struct eventlog *log)
{
	if (!eventlog_has_proposed(log))
		return 0;
	int status = run(g, g->anew ? "may-anew" : "may-begin");
	if (status != 0)
		return status;
	int r = eventlog_take_proposed(log);
	if (r == 0)
		r = eventlog_finish(log);
	if (r < 0)
		fprintf(stderr, "eventfold: %s: what was proposed last cannot be appended: %s\n", g->operand,
			strerror(-r));
	return r < 0;
}

/* The log is mended as by a mount, and held until the program has done with it. */
static int begin(const struct given *g)
{
	int fd auto_close = -1;

	if (mkdir(g->operand, 0700) < 0 && errno != EEXIST) {
		fprintf(stderr, "eventfold: %s: %s\n", g->operand, strerror(errno));
		return 1;
	}
	struct eventlog *log = offline_write(g->operand, OFFLINE_SHARE, &fd);
	if (!log)
		return 1;
	int status = take_proposed(g, log);
	if (status == 0)
		status = run(g, g->anew ? "anew" : "begin");
	eventlog_close(log);
	return status;
}

int cmd_cluster(int argc, char **argv)
{
	struct given g = {0};
	int r = read_arguments(&g, argc, argv);

	if (r == 0 && g.help)
		fputs(usage, stdout);
	else if (r == 0)
		r = check(&g);
	if (r == 0 && !g.help)
		r = strcmp(g.what, "begin") == 0 ? begin(&g) : become(&g, g.what);
	free(g.options);
	return r;
}
