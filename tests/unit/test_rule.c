#include "check.h"
#include "model/host/rule.h"

static struct reducer *view_of(const char *program, const char *state)
{
	struct reducer *r = NULL;
	struct diag diag = {0};

	CHECK_INT(reducer_load_jq(&r, slice_of(program), &diag), 0);
	CHECK_INT(r->class->read(r, slice_of(state), &diag), 0);
	return r;
}

static struct rule *rule_of(const char *program)
{
	struct rule *r = NULL;
	struct diag diag = {0};
	int err = rule_load(&r, slice_of(program), &diag);

	if (err)
		fprintf(stderr, "%s: %s\n", program, diag.text);
	CHECK_INT(err, 0);
	return r;
}

static int ask(struct rule *r, struct reducer *view, uint64_t version, const char *line, struct diag *why)
{
	struct json_error error;
	struct event ev = {0};

	CHECK(event_scan(&ev, slice_of(line), &error));
	ev.pub.seq = 7;
	ev.pub.off = 70;
	ev.fail = why;
	int r_ask = rule_ask(r, view, version, &ev, why);
	event_deinit(&ev);
	return r_ask;
}

#define EVENT                                                                                                \
	"{\"type\":\"taken\",\"data\":{\"seat\":\"4a\",\"n\":3,\"tags\":[\"x\",\"y\"]},\"actor\":\"ann\","   \
	"\"ts\":1700000000}"

/* The same program, which only libjq runs: there is a function that calls itself with another one. */
static const char *by_libjq(const char *program, char *out, size_t size)
{
	int n =
	    snprintf(out, size, "(def l(f): if 1 == 2 then l(f | f) else empty end; l(.)), (%s)", program);

	CHECK(n > 0 && (size_t)n < size);
	return out;
}

static void says_so(const char *program, struct reducer *view, const char *reason)
{
	struct rule *rule = rule_of(program);
	struct diag why = {0};
	int outcome = ask(rule, view, 1, EVENT, &why);

	if (outcome != (reason ? RULE_REFUSES : RULE_LETS_IN))
		fprintf(stderr, "%s: %d %s\n", program, outcome, why.text);
	CHECK_INT(outcome, reason ? RULE_REFUSES : RULE_LETS_IN);
	if (reason)
		CHECK_STR(why.text, reason);
	rule_free(rule);
}

/* What the program says of EVENT in this state, whoever runs it and the view. NULL: it is let in. */
static void says(const char *program, const char *state, const char *reason)
{
	char view_text[256], rule_text[1024];
	const char *views[] = {".", by_libjq(".", view_text, sizeof(view_text))};

	for (size_t i = 0; i < countof(views); i++) {
		struct reducer *view = view_of(views[i], state);
		says_so(program, view, reason);
		says_so(by_libjq(program, rule_text, sizeof(rule_text)), view, reason);
		reducer_free(view);
	}
}

static void test_outcomes(void)
{
	says("empty", "{}", NULL);
	says("null", "{}", NULL);
	says("true", "{}", NULL);
	says("false", "{}", "");
	says("\"no\"", "{}", "no");
	says("\"\"", "{}", "");
	says("true, null, \"third\", \"fourth\"", "{}", "third");
	says("true, false", "{}", "");
	says("3", "{}", "its answer is 3, which is neither a reason nor null, true or false");
	says(".", "{\"a\":1}", "its answer is {\"a\":1}, which is neither a reason nor null, true or false");
	says("true, error(\"oh\")", "{}", "it failed: oh");
	says("\"first\", error(\"oh\")", "{}", "first");
	says(".a.b", "{\"a\":[1]}", "it failed: Cannot index array with string \"b\"");
	says("error(null)", "{}", "it failed: null");
	says(".why | error", "{}", "it failed: null");
	says("true, error($event.data.none), \"later\"", "{}", "it failed: null");
	says("try error(null) catch .", "{}", "null");
	says("def error: true; error", "{}", NULL);
	says("error(null)? // false", "{}", "");
	says("error(empty), error(\"b\")", "{}", "it failed: b");
	says("error({a: 1})", "{}", "it failed: {\"a\":1}");
	says("range(1000) | select(. == 999) | \"\\(.) is one too many\"", "{}", "999 is one too many");
}

static void test_as_the_manual_has_it(void)
{
	says("$event.data as {$seat} | if .[$seat] then \"seat \\($seat) is taken\" else empty end",
	     "{\"4a\":\"bob\"}", "seat 4a is taken");
	says("$event.data as {$seat} | if .[$seat] then \"taken\" else empty end", "{\"4b\":1}", NULL);
	says("any(.[]; . == $event.actor)", "[\"bob\"]", "");
	says("any(.[]; . == $event.actor)", "[\"bob\",\"ann\"]", NULL);
	says("reduce .[] as $x (0; . + $x) | if . + $event.data.n > 10 then \"\\(.) and more\" else true end",
	     "[4,5]", "9 and more");
	says("$event.data.seat | test(\"^[0-9]+[a-f]$\")", "null", NULL);
	says("$event.data.seat | test(\"^[0-9]$\")", "null", "");
	says("$seq == 7 and $off == 70", "null", NULL);
	says(". as $s | $event.data.tags[] | if $s[.] then \"\\(.)?\" else null end", "{\"y\":1}", "y?");
	says("[limit(3; repeat(1))] | length == 3", "{}", NULL);
}

/* Whatever a rule does with its input, the view's state stays. */
static void test_changes_nothing(void)
{
	static const char *const programs[] = {
	    ".a.b = 9 | .a.b == 9",         ".a |= empty | true",   "del(.a) | true",
	    ".l[0] = 5 | .l += [6] | true", ".a.b += 1 | error(.)", ". as $o | .a.b = 3 | $o.a.b == 1",
	};

	for (size_t i = 0; i < countof(programs); i++) {
		struct reducer *view = view_of(".", "{\"a\":{\"b\":1},\"l\":[1,2]}");
		struct rule *rule = rule_of(programs[i]);
		auto_buf struct buf out = {0};
		struct diag why = {0};
		(void)!ask(rule, view, 1, EVENT, &why);
		CHECK_INT(view->class->write(view, &out, &why), 0);
		buf_add_char(&out, '\0');
		CHECK_STR(out.data, "{\"a\":{\"b\":1},\"l\":[1,2]}");
		rule_free(rule);
		reducer_free(view);
	}
}

/* A state that can't be shared is read anew when it is another one. */
static void test_versions(void)
{
	char text[256];
	struct reducer *view = view_of(by_libjq(".", text, sizeof(text)), "{\"n\":1}");
	struct rule *rule = rule_of(".n == 1");
	struct diag why = {0};

	CHECK_INT(ask(rule, view, 1, EVENT, &why), RULE_LETS_IN);
	CHECK_INT(view->class->read(view, SLICE("{\"n\":2}"), &why), 0);
	CHECK_INT(ask(rule, view, 2, EVENT, &why), RULE_REFUSES);
	CHECK_INT(view->class->read(view, SLICE("{\"n\":1}"), &why), 0);
	CHECK_INT(ask(rule, view, 3, EVENT, &why), RULE_LETS_IN);
	rule_free(rule);
	reducer_free(view);
}

static void test_save(void)
{
	char text[256];
	const char *programs[] = {".n += 1", by_libjq(".n += 1", text, sizeof(text))};

	for (size_t i = 0; i < countof(programs); i++) {
		struct reducer *view = view_of(programs[i], "{\"n\":1,\"m\":{}}");
		struct json_error error;
		struct event ev = {0};
		struct diag why = {0};
		auto_buf struct buf out = {0};
		CHECK(event_scan(&ev, SLICE(EVENT), &error));
		CHECK_INT(view->class->save(view, &why), 0);
		for (unsigned n = 0; n < 2; n++) {
			CHECK_INT(view->class->fold(view, &ev, &why), EVENTFOLD_CHANGED);
			CHECK_INT(view->class->fold(view, &ev, &why), EVENTFOLD_CHANGED);
			CHECK_INT(view->class->restore(view, &why), 0);
		}
		view->class->forget(view);
		CHECK_INT(view->class->fold(view, &ev, &why), EVENTFOLD_CHANGED);
		CHECK_INT(view->class->write(view, &out, &why), 0);
		buf_add_char(&out, '\0');
		CHECK_STR(out.data, "{\"n\":2,\"m\":{}}");
		event_deinit(&ev);
		reducer_free(view);
	}
}

static void test_refused(void)
{
	struct rule *r = NULL;
	struct diag diag = {0};

	CHECK_INT(rule_load(&r, SLICE("now"), &diag), -22);
	CHECK_STR(diag.text,
		  "`now` is not available in a rule: it must depend on the state and the event only");
	CHECK_INT(rule_load(&r, SLICE(""), &diag), -22);
	CHECK_STR(diag.text, "the program is empty");
	CHECK_INT(rule_load(&r, SLICE("if"), &diag), -22);
	CHECK_INT(rule_load(&r, SLICE("nothing(1)"), &diag), -22);
}

int main(void)
{
	test_outcomes();
	test_as_the_manual_has_it();
	test_changes_nothing();
	test_versions();
	test_save();
	test_refused();
	return 0;
}
