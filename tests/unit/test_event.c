#include "check.h"
#include "model/event/event.h"

static struct event ev;

/* What is known of the stored line without looking at it is what looking at it tells. */
static void laid_out(struct slice stored, const struct event_layout *layout)
{
	struct event scanned = {0}, laid = {0};
	struct json_error error;

	CHECK(event_scan(&scanned, stored, &error));
	event_lay_out(&laid, stored, layout);
	CHECK_MEM(&laid.pub, sizeof(laid.pub), &scanned.pub, sizeof(scanned.pub));
	CHECK_INT(laid.has, scanned.has);
	event_deinit(&scanned);
	event_deinit(&laid);
}

static void stored_as(const char *line, const char *want)
{
	auto_buf struct buf out = {0};
	struct json_error error;

	bool good = event_scan(&ev, slice_of(line), &error);
	if (!good)
		fprintf(stderr, "%s: %s\n", line, error.why);
	CHECK(good);
	event_store(&ev, 1700000000, &out);
	CHECK_MEM(out.data, out.len - 1, want, strlen(want));
	CHECK(out.data[out.len - 1] == '\n');
	struct event_layout layout = event_layout(&ev, 1700000000);
	CHECK_INT(layout.type.at == 0, ev.texts != NULL);
	if (layout.type.at)
		laid_out((struct slice){out.data, out.len - 1}, &layout);
}

static void kept(const char *line)
{
	stored_as(line, line);
}

static void refused(const char *line, size_t column, const char *why)
{
	struct json_error error = {0};

	bool good = event_scan(&ev, slice_of(line), &error);
	if (good)
		fprintf(stderr, "accepted: %s\n", line);
	CHECK(!good);
	CHECK_STR(error.why, why);
	CHECK_INT(error.at + 1, column);
}

static void storing(void)
{
	stored_as("{\"type\":\"a\"}", "{\"type\":\"a\",\"data\":null,\"ts\":1700000000}");
	stored_as(" \t{ \"type\" : \"a\" , \"data\" : [ ] }\r ",
		  "{ \"type\" : \"a\" , \"data\" : [ ] ,\"ts\":1700000000}");
	stored_as(
	    " {\"id\":\"\",\"meta\":{\"a\":[1,\"\\n\"]},\"actor\":\"me\",\"more\":\"\\n\",\"type\":\"a\"} ",
	    "{\"id\":\"\",\"meta\":{\"a\":[1,\"\\n\"]},\"actor\":\"me\",\"more\":\"\\n\",\"type\":\"a\","
	    "\"data\":null,"
	    "\"ts\":1700000000}");
	stored_as("{\"ts\":5,\"type\":\"a\" }", "{\"ts\":5,\"type\":\"a\" ,\"data\":null}");
	/* Numbers, escapes and the order of keys are the writer's own. */
	kept("{\"z\":1.0,\"type\":\"\\u00e9\",\"data\":{\"n\":9007199254740993,\"e\":1e2,\"f\":-0.0},\"ts\":"
	     "18446744073709551615}");
	kept("{\"type\":\"a\",\"id\":null,\"actor\":null,\"meta\":[null],\"data\":1,\"ts\":0,\"more\":{},"
	     "\"more\":1}");
	kept("{\"type\":\"\xf0\x9f\x98\x80\",\"id\":\"\\ud83d\\ude00\",\"data\":\"\x7f\",\"ts\":1}");
}

static void envelope(void)
{
	refused("", 1, "an event is a JSON object");
	refused(" [1]", 2, "an event is a JSON object");
	refused("not json", 1, "an event is a JSON object");
	refused("{}", 1, "there is no \"type\"");
	refused("{\"data\":1}", 1, "there is no \"type\"");
	refused("{\"type\":\"\"}", 9, "\"type\" is empty");
	refused("{\"type\":1}", 9, "\"type\" is not a string");
	refused("{\"type\":null}", 9, "\"type\" is not a string");
	refused("{\"type\":\"a\",\"id\":1}", 18, "\"id\" is neither a string nor null");
	refused("{\"type\":\"a\",\"actor\":{}}", 21, "\"actor\" is neither a string nor null");
	refused("{\"type\":\"a\"} x", 14, "something follows the object");
	refused("{\"type\":\"a\"}{\"type\":\"b\"}", 13, "something follows the object");
	static const char range[] = "\"ts\" is not an integer from 0 to 2^64-1";
	static const char whole[] = "\"ts\" is whole seconds since 1970, without a fraction or an exponent";
	static const char negative[] = "\"ts\" is negative; it is seconds since 1970";
	static const char number[] =
	    "\"ts\" is a number, not a string: seconds since 1970, as date +%s prints them";
	static const struct {
		const char *ts, *why;
	} times[] = {
	    {"-1", negative},
	    {"-0", negative},
	    {"-1.5", negative},
	    {"1.0", whole},
	    {"1700000000.123", whole},
	    {"1e2", whole},
	    {"1E2", whole},
	    {"\"1\"", number},
	    {"\"2026-11-26T10:00:00Z\"", number},
	    {"null", "\"ts\" is null; left out, it becomes the time of arrival"},
	    {"18446744073709551616", range},
	    {"01", range},
	    {"true", range},
	    {"1x", range},
	};
	for (size_t i = 0; i < countof(times); i++) {
		char line[80];
		snprintf(line, sizeof(line), "{\"type\":\"a\",\"ts\":%s}", times[i].ts);
		refused(line, 18, times[i].why);
	}
	/* The same key is the same key, however it is written. */
	refused("{\"type\":\"a\",\"type\":\"b\"}", 13, "a second \"type\"");
	refused("{\"type\":\"a\",\"\\u0074ype\":\"b\"}", 13, "a second \"type\"");
	refused("{\"type\":\"a\",\"data\":1,\"\\u0064\\u0061\\u0074\\u0061\":1}", 22, "a second \"data\"");
	refused("{\"type\":\"a\",\"\\u0061\\u0063\\u0074\\u006f\\u0072\":\"x\",\"actor\":null}", 50,
		"a second \"actor\"");
	kept("{\"\\u0074ype\":\"a\",\"data\":1,\"ts\":1}");
}

static void json(void)
{
	refused("{\"type\":\"a\",1}", 13, "a key is missing in the object");
	refused("{\"type\" \"a\"}", 9, "a colon is missing behind a key");
	refused("{\"type\":\"a\" \"b\":1}", 13, "a comma or } is missing in the object");
	refused("{\"type\":\"a", 11, "a string without its end");
	refused("{\"type\":\"a\",\"data\":01}", 20, "a number with a leading zero");
	refused("{\"type\":\"a\",\"data\":1.}", 22, "a digit is missing in a number");
	refused("{\"type\":\"a\",\"data\":tru}", 20, "not a JSON value");
	refused("{\"type\":\"a\x01\"}", 11, "a control character in a string");
	refused("{\"type\":\"\xed\xa0\x80\"}", 10, "not valid UTF-8");
	refused("{\"type\":\"\\ud800\"}", 10, "half of a surrogate pair");
	refused("{\"type\":\"\\udc00\\ud800\"}", 10, "half of a surrogate pair");
	refused("{\"type\":\"\\ud800\\u0041\"}", 10, "half of a surrogate pair");
	refused("{\"type\":\"\\u00g0\"}", 10, "\\u without four hexadecimal digits");
	refused("{\"type\":\"\\x\"}", 10, "an unknown escape in a string");
	/* Just inside a double's range, and just outside. */
	kept("{\"type\":\"a\",\"ts\":1,\"data\":[1.7976931348623157e308,1e-400,-1.7976931348623158e308,"
	     "0e999999999999]}");
	refused("{\"type\":\"a\",\"data\":1.7976931348623159e308}", 20, "a number beyond a double's range");
	refused("{\"type\":\"a\",\"data\":-1e309}", 20, "a number beyond a double's range");
	refused("{\"type\":\"a\",\"data\":1e99999999999999999999}", 20, "a number beyond a double's range");
	kept("{\"type\":\"a\",\"ts\":1,\"data\":0.000000000000001e320}");
}

/* What people write who do not write JSON every day, and are told what JSON wants. */
static void hints(void)
{
	static const char cut[] =
	    "the line ends before the event does; an event is one line, as jq -c makes it";
	static const char part[] = "this is a part of an event; an event is one line, as jq -c makes it";
	static const char single[] = "JSON has double quotes, not single ones";
	static const char curly[] = "a typographic quotation mark; JSON has plain double quotes";
	static const char bare[] = "a key needs double quotes, as in {\"type\":\"x\"}";
	static const char infinity[] = "JSON has no Infinity; null is what comes nearest";

	refused("{type:\"x\"}", 2, bare);
	refused("{\"type\":\"x\",data:1}", 13, bare);
	refused("{\"type\":\"x\",\"data\":{a:1}}", 21, bare);
	refused("{'type':'x'}", 2, single);
	refused("{\"type\":'x'}", 9, single);
	refused("{\"type\":\"x\",\"data\":'y'}", 20, single);
	refused("{\xe2\x80\x9ctype\xe2\x80\x9d:1}", 2, curly);
	refused("{\"type\":\xe2\x80\x9cx\xe2\x80\x9d}", 9, curly);
	refused("{\"type\":x}", 9, "a string needs double quotes, as in {\"type\":\"x\"}");
	refused("{\"type\":\"a\",}", 13, "a comma before the closing }");
	refused("{\"type\":\"a\",\"data\":{\"b\":1, }}", 28, "a comma before the closing }");
	refused("{\"type\":\"a\",\"data\":[1,]}", 23, "a comma before the closing ]");
	refused("{\"type\":\"a\",\"data\":]}", 20, "not a JSON value");
	refused("{\"type\":\"a\",\"data\":NaN}", 20, "JSON has no NaN; null is what comes nearest");
	refused("{\"type\":\"a\",\"data\":Infinity}", 20, infinity);
	refused("{\"type\":\"a\",\"data\":-Infinity}", 21, infinity);
	refused("{\"type\":\"a\",\"data\":[True]}", 21, "JSON has true, in small letters");
	refused("{\"type\":\"a\",\"data\":False}", 20, "JSON has false, in small letters");
	refused("{\"type\":\"a\",\"data\":None}", 20, "JSON has null, not None");
	refused("{\"type\":\"a\",\"data\":undefined}", 20, "JSON has null, not undefined");
	/* The lines of one that jq has written over several, and of a file that was cut. */
	refused("{", 2, cut);
	refused("  \"type\": \"a\",", 3, part);
	refused("}", 1, part);
	refused("{\"type\":\"a\"", 12, cut);
	refused("{\"type\":\"a\",", 13, cut);
	refused("{\"type\"", 8, cut);
	refused("{\"type\":", 9, cut);
	refused("{\"type\":\"a\",\"data\":", 20, cut);
	refused("{\"type\":\"a\",\"data\":[1", 22, cut);
	refused("{\"type\":\"a\",\"ts\":", 18, cut);
	refused("\xef\xbb\xbf{\"type\":\"a\"}", 1, "a byte order mark; JSON is UTF-8 without one");
	/* A letter elsewhere is no key. */
	refused("{\"type\":\"a\"} x", 14, "something follows the object");
	refused("hello", 1, "an event is a JSON object");
}

/* `levels` arrays around nothing, as data: the event's own braces are one level more. */
static bool nested(size_t levels)
{
	auto_buf struct buf line = {0};
	struct json_error error;

	buf_add_str(&line, "{\"type\":\"a\",\"data\":");
	for (size_t i = 0; i < levels; i++)
		buf_add_char(&line, '[');
	for (size_t i = 0; i < levels; i++)
		buf_add_char(&line, ']');
	buf_add_char(&line, '}');
	bool good = event_scan(&ev, buf_slice(&line), &error);
	if (!good) {
		CHECK_STR(error.why, "nested deeper than 127");
		CHECK_INT(error.at, sizeof("{\"type\":\"a\",\"data\":") - 1 + 126);
	}
	return good;
}

/* Digits beyond counting are compared, not guessed: 17976931348623157 and 292 more digits. */
static void long_numbers(void)
{
	auto_buf struct buf line = {0};
	struct json_error error;

	buf_add_str(&line, "{\"type\":\"a\",\"data\":17976931348623157");
	for (int i = 0; i < 292; i++)
		buf_add_char(&line, '0');
	size_t len = line.len;
	buf_add_char(&line, '}');
	CHECK(event_scan(&ev, buf_slice(&line), &error));
	line.len = len;
	buf_add_str(&line, "0}");
	CHECK(!event_scan(&ev, buf_slice(&line), &error));
	line.len = len;
	buf_add_str(&line, "0000e-5}");
	CHECK(event_scan(&ev, buf_slice(&line), &error));
}

static void slice_is(struct eventfold_slice got, const char *want)
{
	CHECK_MEM(got.data, got.len, want, strlen(want));
}

static void decoding(void)
{
	struct json_error error;

	CHECK(event_scan(
	    &ev,
	    slice_of(
		" {\"type\":\"\\u0061\\n\",\"id\":\"i\",\"data\":{\"a\":[1]},\"ts\":12,\"meta\":\"m\"} "),
	    &error));
	slice_is(ev.pub.type, "a\n");
	slice_is(ev.pub.id, "i");
	CHECK(!ev.pub.actor.data);
	slice_is(ev.pub.data, "{\"a\":[1]}");
	slice_is(ev.pub.meta, "\"m\"");
	CHECK_INT(ev.pub.ts, 12);
	CHECK(ev.pub.line.data[0] == '{' && ev.pub.line.data[ev.pub.line.len - 1] == '}');
	CHECK(event_scan(&ev, slice_of("{\"type\":\"a\",\"id\":null}"), &error));
	slice_is(ev.pub.data, "null");
	CHECK(!ev.pub.id.data && !ev.pub.meta.data);
}

/* A bad byte anywhere in a long string is found, wherever the sixteen-byte steps fall. */
static void every_place(void)
{
	for (size_t len = 1; len < 70; len++) {
		for (size_t at = 0; at < len; at++) {
			auto_buf struct buf line = {0};
			struct json_error error;
			buf_add_str(&line, "{\"type\":\"");
			size_t begin = line.len;
			for (size_t i = 0; i < len; i++)
				buf_add_char(&line, 'x');
			buf_add_str(&line, "\"}");
			CHECK(event_scan(&ev, buf_slice(&line), &error));
			line.data[begin + at] = 0x1f;
			CHECK(!event_scan(&ev, buf_slice(&line), &error));
			CHECK_INT(error.at, begin + at);
			line.data[begin + at] = (char)0xff;
			CHECK(!event_scan(&ev, buf_slice(&line), &error));
			CHECK_INT(error.at, begin + at);
		}
	}
}

int main(void)
{
	storing();
	envelope();
	json();
	hints();
	CHECK(nested(126));
	CHECK(!nested(127));
	long_numbers();
	decoding();
	every_place();
	event_deinit(&ev);
	return 0;
}
