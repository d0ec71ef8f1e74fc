#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/usage.h"
#include "model/event/event.h"
#include "store/cursor.h"

static const char usage[] =
    "usage: eventfold find --id ID DATA\n"
    "\n"
    "Prints the events with this \"id\" in the log in DATA, archived ones included; no mount needed.\n"
    "The exit status is 1 where there is none.\n"
    "\n"
    "  --id ID   the id, as it is when it is decoded\n";

struct search {
	struct slice id;
	struct event event; /* scratch */
	uint64_t found;
	bool damaged;
};

static void report(void *arg, const char *text)
{
	struct search *s = arg;

	s->damaged = true;
	fprintf(stderr, "eventfold: %s\n", text);
}

static int out_of_memory(void)
{
	fputs("eventfold: out of memory\n", stderr);
	return -ENOMEM;
}

/* Does the event have the id? A line that is no event is damage: its id is not known. */
static int look_at(struct search *s, struct slice line, uint64_t off)
{
	struct eventfold_slice id;
	struct json_error why;

	if (json_skip_space(line.data, slice_end(line)) == slice_end(line))
		return 0;
	if (!event_scan(&s->event, line, &why)) {
		if (s->event.no_memory)
			return out_of_memory();
		fprintf(stderr, "eventfold: offset %llu: it is no event: %s\n", (unsigned long long)off,
			why.why);
		s->damaged = true;
		return 0;
	}
	id = s->event.pub.id;
	if (!id.data || !slice_eq((struct slice){id.data, id.len}, s->id))
		return 0;
	s->found++;
	if (fwrite(line.data, 1, line.len, stdout) == line.len && putchar('\n') != EOF)
		return 0;
	fprintf(stderr, "eventfold: cannot write: %s\n", strerror(errno));
	return -EIO;
}

static int look_through(struct search *s, struct cursor *c, struct slice block)
{
	while (block.len > 0) {
		const char *nl = memchr(block.data, '\n', block.len);
		struct slice line = {block.data, (size_t)(nl - block.data)};
		int r = look_at(s, line, c->pos.off);
		if (r < 0)
			return r;
		cursor_advance(c, line.len);
		block = slice_skip(block, line.len + 1);
	}
	return 0;
}

static int search(struct search *s, struct offline *o)
{
	struct log_pos begin = {0};
	struct log_damage damage;
	struct cursor c;
	struct slice block;
	int r;

	cursor_init(&c, o->reader, &begin);
	for (;;) {
		r = cursor_fill(&c, o->head.off, &block, &damage);
		if (r > 0) {
			fprintf(stderr, "eventfold: offset %llu: %s\n", (unsigned long long)damage.off,
				damage.what);
			s->damaged = true;
			continue;
		}
		if (r < 0)
			fprintf(stderr, "eventfold: offset %llu: cannot be read: %s\n",
				(unsigned long long)c.pos.off, strerror(-r));
		if (r == 0)
			r = look_through(s, &c, block);
		if (r < 0 || block.len == 0)
			break;
	}
	cursor_deinit(&c);
	if (r == 0 && fflush(stdout) != 0) {
		fprintf(stderr, "eventfold: cannot write: %s\n", strerror(errno));
		r = -EIO;
	}
	return r;
}

int cmd_find(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"id", required_argument, NULL, 'i'},
	    {"help", no_argument, NULL, 'h'},
	    {0},
	};
	struct search s = {0};
	struct offline o;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'i':
			s.id = slice_of(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_bad_option("find", c, argv, longs);
		}
	}
	if (!s.id.data || argc - optind != 1)
		return usage_error("find", "an id and one directory are wanted: --id ID DATA");
	if (!offline_open(&o, argv[optind], report, &s))
		return 1;
	int r = search(&s, &o);
	offline_close(&o);
	event_deinit(&s.event);
	if (r == 0 && s.found == 0)
		fputs(s.damaged ? "eventfold: no event that can be read has this id\n"
				: "eventfold: no event has this id\n",
		      stderr);
	return r < 0 || s.damaged || s.found == 0;
}
