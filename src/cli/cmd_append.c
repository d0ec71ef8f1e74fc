#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "cli/appender.h"
#include "cli/commands.h"
#include "cli/usage.h"
#include "model/event/hint.h"

#define BLOCK (64u << 10)
#define EXIT_MOVED 3

static const char usage[] =
    "usage: eventfold append [OPTION…] MNT TYPE [DATA]\n"
    "\n"
    "Appends one event to the log at MNT. DATA is JSON, or - for what is on standard input; without it\n"
    "\"data\" is null. The exit status is 0 once the mount has taken it (by default: once it is on disk).\n"
    "\n"
    "  --text          DATA is a text, not JSON\n"
    "  --id ID         its \"id\"\n"
    "  --actor ACTOR   who did it\n"
    "  --meta JSON     its \"meta\"\n"
    "  --ts SECONDS    when it was, in seconds since 1970; by default, now\n"
    "  --head HEAD     only if the log's head (head/app) is still this; else the exit status is 3\n"
    "  --once          only if the id is new; where this event is in the log already that is fine, too\n";

struct request {
	const char *mnt, *type, *data, *id, *actor, *meta, *ts, *head;
	bool is_text, once;
};

static bool is_utf8(const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t n = (unsigned char)*text < 0x80 ? 1 : utf8_length(text, left);
		if (n == 0)
			return false;
		text += n;
		left -= n;
	}
	return true;
}

/* A member that is a text. */
static int add_text(struct buf *line, const char *key, const char *text, struct diag *diag)
{
	if (!text)
		return 0;
	if (!is_utf8(text))
		return diag_set(diag, -EINVAL, "the %s is not UTF-8", key);
	buf_printf(line, ",\"%s\":", key);
	buf_add_json(line, slice_of(text));
	return 0;
}

/* A member that is JSON. Line ends are white space there, and would be the end of the event. */
static int add_value(struct buf *line, const char *key, const char *text, struct diag *diag)
{
	struct json_error error;

	if (!json_check(slice_of(text), LIMIT_DEPTH - 1, &error))
		return diag_set(diag, -EINVAL, "the %s is not JSON: column %zu: %s%s", key, error.at + 1,
				hint_for_value(slice_of(text), &error),
				strcmp(key, "data") == 0 ? " (for a text: --text)" : "");
	buf_printf(line, ",\"%s\":", key);
	for (; *text; text++)
		buf_add_char(line, *text == '\n' || *text == '\r' ? ' ' : *text);
	return 0;
}

static int add_ts(struct buf *line, const char *text, struct diag *diag)
{
	uint64_t ts;

	if (!text)
		return 0;
	if (!json_to_uint64(slice_of(text), &ts))
		return diag_set(diag, -EINVAL,
				"--ts wants whole seconds since 1970, as date +%%s prints them");
	if (ts > LIMIT_TS)
		return diag_set(diag, -EINVAL,
				"--ts %s is beyond the year 9999; it is in seconds, not in a smaller unit",
				text);
	buf_add_str(line, ",\"ts\":");
	buf_add_u64(line, ts);
	return 0;
}

/* All of standard input, with a zero behind it. As a text, without the line end that echo makes. */
static int read_data(struct buf *ret, bool is_text, struct diag *diag)
{
	size_t n = 1;

	while (n > 0 && buf_reserve(ret, BLOCK) == 0) {
		n = fread(ret->data + ret->len, 1, BLOCK - 1, stdin);
		ret->len += n;
	}
	if (ferror(stdin))
		return diag_set(diag, -errno, "cannot read standard input: %s", strerror(errno));
	if (ret->len > 0 && memchr(ret->data, 0, ret->len))
		return diag_set(diag, -EINVAL, "the data has zero bytes in it");
	if (is_text && ret->len > 0 && ret->data[ret->len - 1] == '\n')
		ret->len--;
	buf_add_char(ret, '\0');
	return buf_error(ret);
}

static int make_line(const struct request *q, struct buf *line, struct diag *diag)
{
	auto_buf struct buf input = {0};
	const char *data = q->data;
	int r;

	if (data && strcmp(data, "-") == 0) {
		r = read_data(&input, q->is_text, diag);
		if (r < 0)
			return r;
		data = input.data;
	}
	if (!*q->type || !is_utf8(q->type))
		return diag_set(diag, -EINVAL, *q->type ? "the type is not UTF-8" : "the type is empty");
	buf_add_str(line, "{\"type\":");
	buf_add_json(line, slice_of(q->type));
	r = !data ? 0 : q->is_text ? add_text(line, "data", data, diag) : add_value(line, "data", data, diag);
	if (r == 0)
		r = add_ts(line, q->ts, diag);
	if (r == 0)
		r = add_text(line, "id", q->id, diag);
	if (r == 0)
		r = add_text(line, "actor", q->actor, diag);
	if (r == 0 && q->meta)
		r = add_value(line, "meta", q->meta, diag);
	buf_add_str(line, "}\n");
	return r < 0 ? r : buf_error(line);
}

static int run(const struct request *q)
{
	auto_buf struct buf line = {0};
	struct diag diag = {.text = "out of memory"}, at_close = {0};
	struct appender a = {.fd = -1};
	size_t written;

	auto_buf struct buf conditions = {0};
	int r = make_line(q, &line, &diag);
	if (q->once)
		buf_printf(&conditions, "%s%sonce", q->head ? q->head : "", q->head ? "," : "");
	else if (q->head)
		buf_add_str(&conditions, q->head);
	buf_add_char(&conditions, '\0');
	if (r == 0)
		r = buf_error(&conditions);
	if (r == 0)
		r = appender_open(&a, q->mnt, q->once || q->head ? conditions.data : NULL, &diag);
	if (r == 0)
		r = appender_write(&a, buf_slice(&line), &written, &diag);
	int closed = appender_close(&a, &at_close);
	if (r == 0 && closed < 0) {
		r = closed;
		diag = at_close;
	}
	if (r < 0)
		fprintf(stderr, "eventfold: %s\n", diag.text);
	return r == 0 ? 0 : r == -ESTALE ? EXIT_MOVED : 1;
}

/* Where the option's value goes; NULL: it is no such option. */
static const char **place_of(struct request *q, int c)
{
	switch (c) {
	case 'i':
		return &q->id;
	case 'a':
		return &q->actor;
	case 'm':
		return &q->meta;
	case 's':
		return &q->ts;
	case 'H':
		return &q->head;
	default:
		return NULL;
	}
}

int cmd_append(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"text", no_argument, NULL, 't'},
	    {"id", required_argument, NULL, 'i'},
	    {"once", no_argument, NULL, 'o'},
	    {"actor", required_argument, NULL, 'a'},
	    {"meta", required_argument, NULL, 'm'},
	    {"ts", required_argument, NULL, 's'},
	    {"head", required_argument, NULL, 'H'},
	    {"help", no_argument, NULL, 'h'},
	    {0},
	};
	struct request q = {0};
	int c;

	opterr = 0;
	/* DATA may be a negative number: options come first. */
	while ((c = getopt_long(argc, argv, "+:h", longs, NULL)) != -1) {
		const char **place = place_of(&q, c);
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c == 't')
			q.is_text = true;
		else if (c == 'o')
			q.once = true;
		else if (place)
			*place = optarg;
		else
			return usage_bad_option("append", c, argv, longs);
	}
	if (argc - optind < 2 || argc - optind > 3)
		return usage_error(
		    "append",
		    "a mount, a type and at most one value are wanted: MNT TYPE [DATA], behind the options");
	if (q.once && !q.id)
		return usage_error("append", "--once wants an --id");
	q.mnt = argv[optind];
	q.type = argv[optind + 1];
	q.data = argv[optind + 2];
	return run(&q);
}
