#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/when.h"
#include "cli/at.h"
#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/usage.h"
#include "model/event/event_time.h"

static const char usage[] =
    "usage: eventfold log [--from OFFSET|TIME] [--at N|TIME] DATA\n"
    "\n"
    "Prints the whole history of the log in DATA, archived events included; no mount needed.\n"
    "\n"
    "  --from OFFSET   begin at this byte of the history\n"
    "  --from TIME     begin with the first event that came later than TIME\n"
    "  --at N          stop after N events\n"
    "  --at TIME       stop before the first event that came later than TIME\n"
    "\n"
    "TIME is one of " WHEN_FORMS ";\n"
    "without a zone it is local time.\n";

static void report(void *arg, const char *text)
{
	bool *damaged = arg;

	*damaged = true;
	fprintf(stderr, "eventfold: %s\n", text);
}

/* The offset of a place; that of the head, where it is further on. */
static int find(struct offline *o, const struct at *at, uint64_t *ret)
{
	struct log_pos pos = {0};
	int r;

	if (!at->by_time) {
		r = reader_seek_seq(o->reader, at->n, o->head.off, &pos);
		*ret = r > 0 ? o->head.off : pos.off;
		return min(r, 0);
	}
	do
		r = reader_seek_time(o->reader, event_time, at->after, o->head.off, &pos);
	while (r > 0);
	*ret = pos.off;
	return r;
}

/* 0, or 1 where a part could not be read or written. */
static int print(struct offline *o, uint64_t off, uint64_t end)
{
	char data[64 << 10];
	int status = 0;

	while (off < end) {
		uint64_t skip = 0;
		size_t n = 0;
		int r = reader_read(o->reader, off, end, data, sizeof(data), &n, &skip);
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

static int print_part(struct offline *o, const struct at *from, const struct at *to)
{
	uint64_t begin = from->n, end = o->head.off;

	int r = from->by_time ? find(o, from, &begin) : 0;
	if (r == 0 && (to->by_time || to->n < o->head.seq))
		r = find(o, to, &end);
	if (r == 0)
		return print(o, begin, end);
	fprintf(stderr, "eventfold: cannot read the log: %s\n",
		r == -EBADMSG ? "it is damaged" : strerror(-r));
	return 1;
}

int cmd_log(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"from", required_argument, NULL, 'f'},
	    {"at", required_argument, NULL, 'n'},
	    {"help", no_argument, NULL, 'h'},
	    {0},
	};
	struct offline o;
	bool damaged = false;
	struct at from = {0}, to = AT_END;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			if (!at_parse(optarg, &from))
				return usage_error("log",
						   "--from wants an offset in bytes, or a time: " WHEN_FORMS);
			break;
		case 'n':
			if (!at_parse(optarg, &to))
				return usage_error("log",
						   "--at wants a number of events, or a time: " WHEN_FORMS);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_bad_option("log", c, argv, longs);
		}
	}
	if (argc - optind != 1)
		return usage_error("log", "one directory is wanted: DATA");
	if (!offline_open(&o, argv[optind], report, &damaged))
		return 1;
	int status = print_part(&o, &from, &to);
	offline_close(&o);
	return status || damaged;
}
