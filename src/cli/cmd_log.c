#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/offline.h"

static const char usage[] =
    "usage: eventfold log [--from OFFSET] DATA\n"
    "\n"
    "Prints the whole history of the log in DATA, archived events included; no mount needed.\n"
    "\n"
    "  --from OFFSET   begin at this byte of the history\n";

static void report(void *arg, const char *text)
{
	bool *damaged = arg;

	*damaged = true;
	fprintf(stderr, "eventfold: %s\n", text);
}

/* 0, or 1 where a part could not be read or written. */
static int print(struct offline *o, uint64_t off)
{
	char data[64 << 10];
	int status = 0;

	while (off < o->head.off) {
		uint64_t skip = 0;
		size_t n = 0;
		int r = reader_read(o->reader, off, o->head.off, data, sizeof(data), &n, &skip);
		if (r != 0) {
			fprintf(stderr, "eventfold: offset %llu: cannot be read: %s\n",
				(unsigned long long)off, r > 0 ? "damaged" : strerror(-r));
			status = 1;
			if (skip <= off)
				break;
			off = skip;
			continue;
		}
		if (fwrite(data, 1, n, stdout) != n) {
			fprintf(stderr, "eventfold: cannot write: %s\n", strerror(errno));
			return 1;
		}
		off += n;
	}
	if (fflush(stdout) != 0) {
		fprintf(stderr, "eventfold: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return status;
}

static int usage_error(const char *what)
{
	fprintf(stderr, "eventfold: %s\nTry: eventfold log --help\n", what);
	return 2;
}

int cmd_log(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"from", required_argument, NULL, 'f'},
	    {"help", no_argument, NULL, 'h'},
	    {0},
	};
	struct offline o;
	bool damaged = false;
	uint64_t from = 0;
	char *end;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			from = strtoull(optarg, &end, 10);
			if (*optarg < '0' || *optarg > '9' || *end)
				return usage_error("--from wants an offset in bytes");
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_error("no such option, or its argument is missing");
		}
	}
	if (argc - optind != 1)
		return usage_error("one directory is wanted: DATA");
	if (!offline_open(&o, argv[optind], report, &damaged))
		return 1;
	int status = print(&o, from);
	offline_close(&o);
	return status || damaged;
}
