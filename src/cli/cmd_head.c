#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/noted.h"
#include "cli/usage.h"

static const char usage[] = "usage: eventfold head DATA\n"
			    "\n"
			    "Prints the head of the log in DATA as head/app.sha256 in a mount has it: the "
			    "SHA-256 of all of the log,\n"
			    "and up to which byte. Reads all of it; no mount needed. Noted elsewhere it "
			    "proves every byte before it:\n"
			    "see eventfold verify --head.\n";

static void report(void *arg, const char *text)
{
	fprintf(stderr, "eventfold: %s\n", text);
}

static int head(const char *data)
{
	struct progress progress;
	char text[SHA_TEXT + 1];
	struct sha256_ctx sha;
	struct offline log;
	uint64_t off = 0;

	if (!offline_open(&log, data, report, NULL))
		return 1;
	progress_begin(&progress, "head", log.head.off);
	sha256_init(&sha);
	bool read = noted_hash(&log, &sha, &off, log.head.off, &progress);
	progress_clear(&progress);
	offline_close(&log);
	if (!read)
		return 1;
	sha_text(&sha, text);
	printf("%s  %" PRIu64 "\n", text, off);
	if (fflush(stdout) == 0)
		return 0;
	perror("eventfold: cannot write");
	return 1;
}

int cmd_head(int argc, char **argv)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c != 'h')
			return usage_bad_option("head", c, argv, longs);
		fputs(usage, stdout);
		return 0;
	}
	if (argc - optind != 1)
		return usage_error("head", "one directory is wanted: DATA");
	return head(argv[optind]);
}
