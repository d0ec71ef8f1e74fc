#include <errno.h>

#include "check.h"
#include "fs/writer.h"
#include "store/log.h"

#define GOOD "{\"type\":\"a\",\"data\":1,\"ts\":7}"

static struct writer_rules rules = {.max_line = 100, .now = 5};
static struct event ev;

/* One write that is wholly accepted as far as it is good: what was stored, how much was taken, which error. */
static void feed(struct writer *w, const char *data, const char *want_stored, size_t want_given,
		 int want_error)
{
	struct batch b;

	CHECK_INT(writer_feed(w, slice_of(data), &rules, &ev, &b), 0);
	CHECK_MEM(b.lines.data, b.lines.len, want_stored, strlen(want_stored));
	CHECK_INT(b.error, want_error);
	CHECK_INT(b.given, want_given);
	CHECK_INT(batch_written(&b, b.lines.len), want_given);
	CHECK_INT(writer_settle(w, &b, b.given), 0);
	batch_deinit(&b);
}

static void partial_is(struct writer *w, const char *want)
{
	CHECK_MEM(w->partial.data, w->partial.len, want, strlen(want));
}

static void lines_over_several_writes(void)
{
	struct writer w = {0};

	feed(&w, "{\"type\":", "", 8, 0);
	partial_is(&w, "{\"type\":");
	feed(&w, "\"a\",\"da", "", 7, 0);
	feed(&w, "ta\":1,\"ts\":7}\n" GOOD "\n{\"ty", GOOD "\n" GOOD "\n", 14 + strlen(GOOD) + 5, 0);
	partial_is(&w, "{\"ty");
	feed(&w, "pe\":\"b\"}\n", "{\"type\":\"b\",\"data\":null,\"ts\":5}\n", 9, 0);
	partial_is(&w, "");
	feed(&w, "\n \t\r\n\n", "", 6, 0);
	partial_is(&w, "");
	feed(&w, "  " GOOD " \r\n", GOOD "\n", strlen(GOOD) + 5, 0);
	writer_deinit(&w);
}

static void bad_lines(void)
{
	struct writer w = {0};
	struct batch b;

	/* Behind good ones: those count, and the bad one is left to the next write. */
	feed(&w, GOOD "\nbad\n" GOOD "\n", GOOD "\n", strlen(GOOD) + 1, -EINVAL);
	partial_is(&w, "");
	feed(&w, "bad\n", "", 0, -EINVAL);
	/* One that began in an earlier write. */
	feed(&w, "ba", "", 2, 0);
	CHECK_INT(writer_feed(&w, slice_of("d\n" GOOD "\n"), &rules, &ev, &b), 0);
	CHECK_INT(b.error, -EINVAL);
	CHECK_INT(b.given, 0);
	CHECK_MEM(b.bad.data, b.bad.len, "d", 1);
	batch_deinit(&b);
	writer_deinit(&w);
}

static void partly_stored(void)
{
	struct writer w = {0};
	struct batch b;
	size_t line = strlen(GOOD) + 1;

	feed(&w, "{\"type\":\"a\",", "", 12, 0);
	CHECK_INT(writer_feed(&w, slice_of("\"data\":1,\"ts\":7}\n\n" GOOD "\n" GOOD), &rules, &ev, &b), 0);
	CHECK_INT(b.n, 2);
	CHECK_INT(batch_written(&b, 0), 0);
	CHECK_INT(batch_written(&b, line - 1), 0);
	CHECK_INT(batch_written(&b, line), 17);
	CHECK_INT(batch_written(&b, 2 * line), 18 + line + strlen(GOOD));
	/* Nothing was stored: the writer may send the same again. */
	CHECK_INT(writer_settle(&w, &b, 0), 0);
	partial_is(&w, "{\"type\":\"a\",");
	CHECK_INT(writer_settle(&w, &b, 17), 0);
	partial_is(&w, "");
	batch_deinit(&b);
	writer_deinit(&w);
}

static void long_lines(void)
{
	struct writer w = {0};
	char line[200];

	memset(line, 'x', sizeof(line));
	line[101] = '\0';
	feed(&w, line, "", 0, -EMSGSIZE);
	line[60] = '\0';
	feed(&w, line, "", 60, 0);
	struct batch b;
	CHECK_INT(writer_feed(&w, slice_of(line), &rules, &ev, &b), 0);
	CHECK_INT(b.error, -EMSGSIZE);
	CHECK_INT(b.given, 0);
	batch_deinit(&b);
	writer_deinit(&w);
}

static void saving_the_log_over_itself(void)
{
	struct writer w = {.guarded = true};
	struct writer_rules guarded = rules;
	struct batch b;

	guarded.first = (struct first_line){strlen(GOOD), log_hash(slice_of(GOOD))};
	CHECK_INT(writer_feed(&w, slice_of(GOOD "\n"), &guarded, &ev, &b), 0);
	CHECK_INT(b.error, -EPERM);
	batch_deinit(&b);
	CHECK_INT(writer_feed(&w, slice_of("{\"type\":\"b\"}\n" GOOD "\n"), &guarded, &ev, &b), 0);
	CHECK_INT(b.error, 0);
	CHECK_INT(b.n, 2);
	CHECK_INT(writer_settle(&w, &b, b.given), 0);
	CHECK(!w.guarded);
	batch_deinit(&b);
	writer_deinit(&w);
}

static void at_close(void)
{
	struct writer w = {0};
	struct batch b;

	feed(&w, GOOD, "", strlen(GOOD), 0);
	CHECK_INT(writer_finish(&w, &rules, &ev, &b), 0);
	CHECK_INT(b.n, 1);
	CHECK_MEM(b.lines.data, b.lines.len, GOOD "\n", strlen(GOOD) + 1);
	batch_deinit(&b);
	buf_clear(&w.partial);
	feed(&w, "{\"type\"", "", 7, 0);
	CHECK_INT(writer_finish(&w, &rules, &ev, &b), 0);
	CHECK_INT(b.error, -EINVAL);
	batch_deinit(&b);
	writer_deinit(&w);
}

int main(void)
{
	lines_over_several_writes();
	bad_lines();
	partly_stored();
	long_lines();
	saving_the_log_over_itself();
	at_close();
	event_deinit(&ev);
	return 0;
}
