#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/plural.h"
#include "cli/usage.h"
#include "store/kept.h"

static const char usage[] =
    "usage: eventfold recover [--drop] DATA\n"
    "\n"
    "After a power cut eventfold puts back the events that only its journal has. If another program has\n"
    "changed the log in DATA before that, the journal is kept and the log is read-only. This appends those "
    "of\n"
    "its events that are not in their places to the log's end, and removes it. The same goes for what a log\n"
    "that is not shared any more had proposed to the other machines (app.jsonl.proposed); one that still is\n"
    "becomes another log by that. No mount needed, and none may be there.\n"
    "\n"
    "  --drop   only remove what was kept, and do without these events\n";

static int recover_log(const char *data, bool drop)
{
	int fd auto_close = -1;
	struct eventlog *log = offline_write(data, OFFLINE_DECIDE, &fd);
	struct kept kept;

	if (!log)
		return 1;
	int r = (drop ? kept_drop : kept_append)(log, &disk_posix, fd, &kept);
	eventlog_close(log);
	if (r < 0) {
		fprintf(stderr, "eventfold: %s: %s\n", data,
			r == -EPROTO ? "a journal that was kept is of another version of eventfold: let that "
				       "one recover it"
				     : strerror(-r));
		return 1;
	}
	if (kept.files == 0)
		puts("nothing is kept apart: the log is complete");
	else
		printf("%llu event%s, %llu bytes: %s\n", (unsigned long long)kept.events, plural(kept.events),
		       (unsigned long long)kept.bytes, drop ? "dropped" : "appended");
	return 0;
}

int cmd_recover(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"drop", no_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'}, {0}};
	bool drop = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			drop = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_bad_option("recover", c, argv, longs);
		}
	}
	if (argc - optind != 1)
		return usage_error("recover", "one directory is wanted: DATA");
	return recover_log(argv[optind], drop);
}
