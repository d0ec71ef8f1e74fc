#include <errno.h>

#include "check.h"
#include "fs/log/writer.h"
#include "store/log.h"

#define GOOD "{\"type\":\"a\",\"data\":1,\"ts\":7}"

static struct guard_log beginning;
static struct writer_rules rules = {.max_line = 100, .log = &beginning, .now = 5, .lay_out = true};
static struct event ev;

/* What the batch says of its lines is what they are: each has a layout, in their order. */
static void check_layouts(const struct batch *b)
{
	struct event scanned = {0}, laid = {0};
	struct json_error why;
	size_t n = 0, lines = 0;

	for (size_t at = 0, end; at < b->lines.len; at = end + 1, n++) {
		end = (size_t)((const char *)memchr(b->lines.data + at, '\n', b->lines.len - at) -
			       b->lines.data);
		struct slice line = {b->lines.data + at, end - at};
		CHECK(n < b->n_layouts);
		CHECK(event_scan(&scanned, line, &why));
		CHECK_INT(b->layouts[n].type.at == 0, scanned.texts != NULL);
		if (scanned.texts)
			continue;
		event_lay_out(&laid, line, &b->layouts[n]);
		CHECK_MEM(&laid.pub, sizeof(laid.pub), &scanned.pub, sizeof(scanned.pub));
	}
	for (size_t i = 0; i < b->n; i++)
		lines += b->units[i].lines;
	CHECK(b->n_layouts == n && lines == n);
	event_deinit(&scanned);
	event_deinit(&laid);
}

/* One write that is wholly accepted as far as it is good: what was stored, how much was taken, which error.
 */
static void feed(struct writer *w, const char *data, const char *want_stored, size_t want_given,
		 int want_error)
{
	struct batch b;

	CHECK_INT(writer_feed(w, slice_of(data), &rules, &ev, &b), 0);
	CHECK_MEM(b.lines.data, b.lines.len, want_stored, strlen(want_stored));
	check_layouts(&b);
	CHECK_INT(b.bad.error, want_error);
	CHECK_INT(b.given, want_given);
	CHECK_INT(batch_written(&b, b.lines.len), want_given);
	CHECK_INT(writer_written(w, &b, b.given), want_error ? 1 : 0);
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
	const char *escaped = "{\"type\":\"\\u0061\",\"id\":\"x\",\"data\":1,\"ts\":7}\n" GOOD
			      "\n{\"id\":null,\"meta\":[],\"type\":\"b\",\"data\":{},\"ts\":1}\n";
	feed(&w, escaped, escaped, strlen(escaped), 0);
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
	CHECK_INT(b.bad.error, -EINVAL);
	CHECK_INT(b.given, 0);
	CHECK_MEM(b.bad.head.data, b.bad.head.len, "bad", 3);
	CHECK_INT(b.bad.bytes, 3);
	CHECK_MEM(b.behind.head.data, b.behind.head.len, GOOD "\n", strlen(GOOD) + 1);
	CHECK_INT(writer_written(&w, &b, 0), 1);
	partial_is(&w, "");
	batch_deinit(&b);
	writer_deinit(&w);
}

/* What the next write is told, and what it leaves behind. */
static void resume(struct writer *w, const char *data, int want_error, const char *want_left)
{
	struct refusal left;

	CHECK_INT(writer_resume(w, slice_of(data), &left), want_error);
	CHECK_MEM(left.head.data, left.head.len, want_left, strlen(want_left));
	CHECK_INT(left.bytes, strlen(want_left));
	CHECK_INT(left.error, *want_left ? -EINVAL : 0);
	refusal_deinit(&left);
}

static void after_a_short_count(void)
{
	struct writer w = {0};
	struct refusal left;

	/* It comes again: told once, with what stands behind it. */
	resume(&w, GOOD "\nbad\n" GOOD "\n", 0, "");
	feed(&w, GOOD "\nbad\n" GOOD "\n", GOOD "\n", strlen(GOOD) + 1, -EINVAL);
	resume(&w, "bad\n" GOOD "\n", -EINVAL, "");
	resume(&w, "bad\n" GOOD "\n", 0, "");
	/* Something else comes. */
	feed(&w, GOOD "\nbad\n" GOOD "\nworse\n", GOOD "\n", strlen(GOOD) + 1, -EINVAL);
	resume(&w, "bad", 0, GOOD "\nworse\n");
	/* Nothing comes. A close says so, once. */
	feed(&w, GOOD "\nbad\n" GOOD, GOOD "\n", strlen(GOOD) + 1, -EINVAL);
	CHECK_INT(writer_owes(&w), -EINVAL);
	CHECK_INT(writer_owes(&w), 0);
	writer_end(&w, &left);
	CHECK_MEM(left.head.data, left.head.len, GOOD, strlen(GOOD));
	refusal_deinit(&left);
	/* Told at once: nothing is owed. */
	feed(&w, "bad\n" GOOD "\n", "", 0, -EINVAL);
	CHECK_INT(writer_owes(&w), 0);
	resume(&w, GOOD "\n", 0, "");
	writer_deinit(&w);
}

/* Of requests that may be one write(2), the error of a later one is hidden. */
static void hidden_by_the_kernel(void)
{
	static char long_part[LIMIT_WRITE], again[] = "nonsense\n" GOOD "\n";
	struct writer_rules wide = {.max_line = 16u << 20, .log = &beginning, .now = 5};
	struct writer w = {0};
	struct refusal left;
	struct batch b;

	memset(long_part, 'x', sizeof(long_part));
	struct slice first = {long_part, sizeof(long_part)};
	CHECK_INT(writer_resume(&w, first, &left), 0);
	CHECK_INT(writer_feed(&w, first, &wide, &ev, &b), 0);
	CHECK_INT(writer_written(&w, &b, b.given), 0);
	batch_deinit(&b);
	resume(&w, again, 0, "");
	CHECK_INT(writer_feed(&w, slice_of(again), &wide, &ev, &b), 0);
	CHECK_INT(b.bad.error, -EINVAL);
	CHECK_INT(b.bad.bytes, sizeof(long_part) + strlen("nonsense"));
	CHECK_INT(b.bad.head.len, LIMIT_REJECTED_LINE);
	CHECK_INT(writer_written(&w, &b, 0), 1);
	batch_deinit(&b);
	/* The rest is not a line of its own. */
	resume(&w, again, -EINVAL, "");
	resume(&w, GOOD "\n", 0, "");
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
	CHECK_INT(writer_written(&w, &b, 0), 0);
	partial_is(&w, "{\"type\":\"a\",");
	CHECK_INT(writer_written(&w, &b, 17), 0);
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
	CHECK_INT(b.bad.error, -EMSGSIZE);
	CHECK_INT(b.given, 0);
	batch_deinit(&b);
	writer_deinit(&w);
}

static void saving_the_log_over_itself(void)
{
	struct writer w = {0};
	struct guard_log log = {0};
	struct writer_rules guarded = {.max_line = 100, .log = &log, .now = 5};
	struct refusal left;
	struct batch b;

	guard_log_add(&log, slice_of(GOOD));
	guard_log_add(&log, slice_of("{\"type\":\"b\"}"));
	guard_watch(&w.guard, &log);
	/* Over two writes: the line's beginning has been taken, and goes. */
	CHECK_INT(writer_feed(&w, slice_of("{\"type\":\"a\","), &guarded, &ev, &b), 0);
	CHECK_INT(writer_written(&w, &b, b.given), 0);
	batch_deinit(&b);
	const char *rest = "\"data\":1,\"ts\":7}\n{\"type\":\"b\"}";
	CHECK_INT(writer_feed(&w, slice_of(rest), &guarded, &ev, &b), 0);
	CHECK_INT(b.bad.error, -EPERM);
	CHECK_INT(b.given, 0);
	CHECK_INT(b.lines.len, 0);
	CHECK_MEM(b.bad.head.data, b.bad.head.len, GOOD, strlen(GOOD));
	CHECK(strstr(b.bad.why.why, ">>"));
	CHECK_INT(writer_written(&w, &b, 0), 1);
	partial_is(&w, "");
	batch_deinit(&b);
	/* From then on, whatever comes. */
	CHECK_INT(writer_resume(&w, slice_of("{\"type\":\"c\"}\n"), &left), -EPERM);
	refusal_deinit(&left);
	writer_deinit(&w);

	/* Only the first write is looked at. */
	w = (struct writer){0};
	guard_watch(&w.guard, &log);
	CHECK_INT(writer_feed(&w, slice_of("{\"type\":\"c\"}\n"), &guarded, &ev, &b), 0);
	CHECK_INT(writer_written(&w, &b, b.given), 0);
	batch_deinit(&b);
	CHECK_INT(writer_feed(&w, slice_of(GOOD "\n{\"type\":\"b\"}\n"), &guarded, &ev, &b), 0);
	CHECK_INT(b.bad.error, 0);
	CHECK_INT(b.n, 2);
	batch_deinit(&b);
	writer_deinit(&w);
}

static void the_only_line_without_its_newline(void)
{
	struct writer w = {0};
	struct guard_log log = {0};
	struct writer_rules guarded = {.max_line = 100, .log = &log, .now = 5};
	struct batch b;

	guard_log_add(&log, slice_of(GOOD));
	guard_watch(&w.guard, &log);
	CHECK_INT(writer_feed(&w, slice_of(GOOD), &guarded, &ev, &b), 0);
	CHECK_INT(writer_written(&w, &b, b.given), 0);
	batch_deinit(&b);
	CHECK_INT(writer_finish(&w, &guarded, &ev, &b), 0);
	CHECK_INT(b.bad.error, -EPERM);
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
	CHECK_INT(b.bad.error, -EINVAL);
	partial_is(&w, "{\"type\"");
	batch_deinit(&b);
	writer_deinit(&w);
}

#define EVENT_B "{\"type\":\"b\",\"data\":2,\"ts\":8}"

/* A write whose first bad line is a group: where in the line the trouble is, and that nothing of it is taken.
 */
static void refuse_group(const char *line, size_t want_at, const char *want_why)
{
	auto_buf struct buf data = {0};
	struct writer w = {0};
	struct batch b;

	buf_printf(&data, GOOD "\n%s\n" GOOD "\n", line);
	CHECK_INT(writer_feed(&w, buf_slice(&data), &rules, &ev, &b), 0);
	CHECK_MEM(b.lines.data, b.lines.len, GOOD "\n", strlen(GOOD) + 1);
	check_layouts(&b);
	CHECK_INT(b.n, 1);
	CHECK_INT(b.groups, 0);
	CHECK_INT(b.given, strlen(GOOD) + 1);
	CHECK_INT(b.bad.error, -EINVAL);
	CHECK_MEM(b.bad.head.data, b.bad.head.len, line, strlen(line));
	CHECK_INT(b.bad.why.at, want_at);
	CHECK(strstr(b.bad.why.why, want_why));
	batch_deinit(&b);
	writer_deinit(&w);
}

static void groups(void)
{
	struct writer w = {0};
	struct batch b;

	/* One line, several stored ones, one unit. */
	const char *data = GOOD "\n [ " GOOD " ,{\"type\":\"c\"}] \n[" GOOD "]\n";
	CHECK_INT(writer_feed(&w, slice_of(data), &rules, &ev, &b), 0);
	CHECK_INT(b.bad.error, 0);
	const char *stored = GOOD "\n" GOOD "\n{\"type\":\"c\",\"data\":null,\"ts\":5}\n" GOOD "\n";
	CHECK_MEM(b.lines.data, b.lines.len, stored, strlen(stored));
	check_layouts(&b);
	CHECK_INT(b.n, 3);
	CHECK_INT(b.groups, 1);
	CHECK_INT(b.units[1].lines, 2);
	size_t line = strlen(GOOD) + 1;
	CHECK_INT(unit_begin(b.units, 1), line);
	CHECK_INT(batch_written(&b, line), line);
	/* Where not all of it is stored, nothing of it is. */
	CHECK_INT(batch_written(&b, 2 * line), line);
	CHECK_INT(batch_written(&b, b.lines.len), strlen(data));
	batch_deinit(&b);
	/* Nothing. */
	feed(&w, "[]\n [ \t] \n", "", 10, 0);
	/* Over several writes, and at a close. */
	feed(&w, "[" GOOD, "", 1 + strlen(GOOD), 0);
	feed(&w, "," EVENT_B "]", "", 2 + strlen(EVENT_B), 0);
	CHECK_INT(writer_finish(&w, &rules, &ev, &b), 0);
	CHECK_MEM(b.lines.data, b.lines.len, GOOD "\n" EVENT_B "\n", strlen(GOOD EVENT_B) + 2);
	check_layouts(&b);
	CHECK_INT(b.n, 1);
	batch_deinit(&b);
	feed(&w, "\n", GOOD "\n" EVENT_B "\n", 1, 0);
	/* The limit is the line's. */
	feed(&w, "[" GOOD "," GOOD "," GOOD "," GOOD "]\n", "", 0, -EMSGSIZE);
	writer_deinit(&w);

	refuse_group("[", 1, "a group is one line");
	refuse_group("[" GOOD, 1 + strlen(GOOD), "a group is one line");
	refuse_group("[" GOOD ",", 2 + strlen(GOOD), "a group is one line");
	refuse_group("[" GOOD ",]", 2 + strlen(GOOD), "a comma before");
	refuse_group("[" GOOD " " GOOD "]", 2 + strlen(GOOD), "a comma or ] is missing");
	refuse_group("[" GOOD "] x", 3 + strlen(GOOD), "something follows");
	refuse_group("[" GOOD ",{\"type\":7}]", 2 + strlen(GOOD) + 8, "not a string");
	refuse_group("[" GOOD ",{\"ty\":\"a\"}]", 2 + strlen(GOOD), "no \"type\"");
	refuse_group("[" GOOD ",1]", 2 + strlen(GOOD), "JSON object");
	refuse_group("[[" GOOD "]]", 1, "JSON object");
	refuse_group("[" GOOD ",{\"type\":\"a\"", 2 + strlen(GOOD) + 11, "the line ends");
}

static void odd_times_in_groups(void)
{
	struct writer_rules strict = {.max_line = 200, .log = &beginning, .now = 5, .strict_ts = true};
	const char *data = "[" GOOD ",{\"type\":\"b\",\"ts\":1700000000000}," GOOD "]\n";
	struct writer w = {0};
	struct batch b;

	CHECK_INT(writer_feed(&w, slice_of(data), &strict, &ev, &b), 0);
	CHECK_INT(b.bad.error, -EINVAL);
	CHECK_INT(b.bad.why.at, strlen("[" GOOD ",{\"type\":\"b\",\"ts\":"));
	CHECK_INT(b.lines.len, 0);
	CHECK_INT(b.odd_ts, 0);
	batch_deinit(&b);
	strict.strict_ts = false;
	CHECK_INT(writer_feed(&w, slice_of(data), &strict, &ev, &b), 0);
	CHECK_INT(b.odd_ts, 1);
	CHECK_INT(batch_odd_ts(&b, b.lines.len), 1);
	CHECK_INT(batch_odd_ts(&b, 0), 0);
	batch_deinit(&b);
	writer_deinit(&w);
}

/* `jq -cs . events/app` makes one line of the log. */
static void saving_the_log_as_a_group(void)
{
	struct writer w = {0};
	struct guard_log log = {0};
	struct writer_rules guarded = {.max_line = 200, .log = &log, .now = 5};
	struct batch b;

	guard_log_add(&log, slice_of(GOOD));
	guard_log_add(&log, slice_of(EVENT_B));
	guard_watch(&w.guard, &log);
	CHECK_INT(writer_feed(&w, slice_of("[" GOOD "," EVENT_B "]\n"), &guarded, &ev, &b), 0);
	CHECK_INT(b.bad.error, -EPERM);
	CHECK_INT(b.given, 0);
	batch_deinit(&b);
	guard_watch(&w.guard, &log);
	CHECK_INT(writer_feed(&w, slice_of("[" EVENT_B "," GOOD "]\n"), &guarded, &ev, &b), 0);
	CHECK_INT(b.bad.error, 0);
	batch_deinit(&b);
	writer_deinit(&w);
}

static void same_refusal(const struct refusal *a, const struct refusal *b)
{
	CHECK_INT(a->error, b->error);
	CHECK_INT(a->bytes, b->bytes);
	CHECK_MEM(a->head.data, a->head.len, b->head.data, b->head.len);
	if (!a->error)
		return;
	CHECK_STR(a->why.why, b->why.why);
	CHECK_INT(a->why.at, b->why.at);
}

static void same_batch(const struct batch *a, const struct batch *b)
{
	CHECK_MEM(a->lines.data, a->lines.len, b->lines.data, b->lines.len);
	CHECK_INT(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		CHECK_MEM(&a->units[i], sizeof(a->units[i]), &b->units[i], sizeof(b->units[i]));
	CHECK_INT(a->groups, b->groups);
	CHECK_INT(a->odd_ts, b->odd_ts);
	CHECK_INT(a->given, b->given);
	CHECK(a->rest.data == b->rest.data && a->rest.len == b->rest.len);
	same_refusal(&a->bad, &b->bad);
	same_refusal(&a->behind, &b->behind);
	CHECK_INT(a->again_len, b->again_len);
	CHECK(a->again_hash == b->again_hash);
	check_layouts(a);
}

/* Line by line into one batch. */
static void feed_in_order(const struct writer *w, struct slice data, const struct batch *whole)
{
	struct batch b = {.guard = w->guard};

	for (size_t at = 0, to; at < data.len && !b.bad.error; at = to) {
		to = writer_cut(data, at);
		CHECK_INT(writer_feed_on(w, data, at, to, &rules, &ev, &b), 0);
	}
	same_batch(&b, whole);
	batch_deinit(&b);
}

/* In two parts, wherever the second begins, or as a whole: it comes to the same. */
static void feed_in_parts(const struct writer *w, struct slice data)
{
	struct batch whole, first, second;

	CHECK_INT(writer_feed(w, data, &rules, &ev, &whole), 0);
	for (size_t half = 1; half < data.len; half++) {
		if (data.data[half - 1] != '\n')
			continue;
		CHECK_INT(writer_feed_second(data, half, &rules, &ev, &second), 0);
		CHECK_INT(writer_feed_first(w, data, half, &rules, &ev, &first), 0);
		CHECK_INT(batch_join(&first, &second), 0);
		same_batch(&first, &whole);
		batch_deinit(&first);
		batch_deinit(&second);
	}
	feed_in_order(w, data, &whole);
	batch_deinit(&whole);
}

static size_t half_of(const char *data)
{
	return writer_cut(slice_of(data), strlen(data) / 2);
}

static void two_parts(void)
{
	static const char *const pieces[] = {
	    GOOD "\n",   EVENT_B "\n", "{\"type\":\"\\u0061\"}\n",      "\n",
	    " \t\r\n",   GOOD " \n",   "[" GOOD "," EVENT_B "]\n",      "[]\n",
	    GOOD "\n",   GOOD "\n",    "{\"type\":\"a\",\"ts\":1e3}\n", "[" GOOD ",1]\n",
	    "{\"type\"", "bad\n",
	};
	uint64_t dice = 20261127;

	for (int round = 0; round < 500; round++) {
		auto_buf struct buf data = {0};
		struct writer w = {0};
		/* The last ones refuse a line: seldom. */
		size_t kinds = round % 5 == 0 ? countof(pieces) : 10;
		if (round % 3 == 0)
			feed(&w, "{\"type\":", "", 8, 0);
		for (int i = 0; i < 12; i++) {
			dice = dice * 6364136223846793005u + 1442695040888963407u;
			buf_add_str(&data, pieces[(dice >> 33) % kinds]);
		}
		feed_in_parts(&w, buf_slice(&data));
		writer_deinit(&w);
	}
	/* The second half begins with a line. */
	CHECK_INT(half_of("aaa\nbbb\nccc\n"), 8);
	CHECK_INT(half_of("aaaaaaaaaaaaa\n"), 14);
	CHECK_INT(half_of("a\nbbbbbbbbb"), 11);
	CHECK_INT(half_of(""), 0);
}

int main(void)
{
	groups();
	odd_times_in_groups();
	saving_the_log_as_a_group();
	two_parts();
	lines_over_several_writes();
	bad_lines();
	after_a_short_count();
	hidden_by_the_kernel();
	partly_stored();
	long_lines();
	saving_the_log_over_itself();
	the_only_line_without_its_newline();
	at_close();
	event_deinit(&ev);
	return 0;
}
