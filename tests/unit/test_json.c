/* JSON as raw bytes: what is refused and where, walking, look-ups, and numbers that are exact. */
#include <math.h>

#include "base/buf.h"
#include "base/json.h"
#include "check.h"

static void good(const char *text)
{
	struct json_error error = {0};

	bool is_good = json_check(slice_of(text), 3, &error);
	if (!is_good)
		fprintf(stderr, "%s: %s at %zu\n", text, error.why, error.at);
	CHECK(is_good);
}

static void bad(const char *text, size_t at, const char *why)
{
	struct json_error error = {0};

	bool is_good = json_check(slice_of(text), 3, &error);
	if (is_good)
		fprintf(stderr, "accepted: %s\n", text);
	CHECK(!is_good);
	CHECK_STR(error.why, why);
	CHECK_INT(error.at, at);
}

static void checking(void)
{
	static const char *const values[] = {
	    "0",
	    "-0",
	    "1.5e-3",
	    "\"\"",
	    " [ ] ",
	    "{}",
	    "[[[]]]",
	    "{\"a\":[{}],\"a\":null}",
	    "\t[true,false]\r\n",
	};
	for (size_t i = 0; i < countof(values); i++)
		good(values[i]);
	bad("", 0, "a value is missing");
	bad("[[[[]]]]", 3, "nested too deep");
	bad("{\"a\":[{\"b\":{}}]}", 11, "nested too deep");
	bad("1 2", 2, "something follows the value");
	bad("[1 2]", 3, "a comma or ] is missing in an array");
	bad("[1", 2, "a comma or ] is missing in an array");
	bad("[1,", 3, "a value is missing");
	bad("{\"a\":1 \"b\":2}", 7, "a comma or } is missing in an object");
	bad("{\"a\":1,}", 7, "a key is missing in an object");
	bad("{a:1}", 1, "a key is missing in an object");
	bad("{\"a\" 1}", 5, "a colon is missing behind a key");
	bad("{\"a\":}", 5, "not a JSON value");
	bad("{\"\\ud800\":1}", 2, "half of a surrogate pair");
	bad("\"\\ud800\\udbff\"", 1, "half of a surrogate pair");
	bad("\"\\ud800\\ue000\"", 1, "half of a surrogate pair");
	good("\"\\ud800\\udc00\\udbff\\udfff\"");
	good("\"\xc3\xa9\x7f\xc3\xa9\"");
	bad("nul", 0, "not a JSON value");
	bad("NaN", 0, "not a JSON value");
	bad("+1", 0, "not a JSON value");
	bad("-", 1, "a digit is missing in a number");
	bad("-01", 1, "a number with a leading zero");
	bad("1e", 2, "a digit is missing in a number");
	bad("1e+", 3, "a digit is missing in a number");
	bad("1.e1", 2, "a digit is missing in a number");
	bad("\"\\", 2, "a string without its end");
	bad("\"\\u12\"", 1, "\\u without four hexadecimal digits");
	bad("\"ab\xc3\"", 3, "not valid UTF-8");
	bad("\"\xc3\xa9\xc3\xa9\xf4\x90\x80\x80\"", 5, "not valid UTF-8");
	bad("\"\xc3\xa9\n\"", 3, "a control character in a string");
	bad("[1,2e308]", 3, "a number beyond a double's range");
}

static void found(const char *text, const char *pointer, const char *want)
{
	struct slice got = {0};

	CHECK(json_find(slice_of(text), pointer, &got));
	CHECK_MEM(got.data, got.len, want, strlen(want));
}

static void not_found(const char *text, const char *pointer)
{
	struct slice got = {"kept", 4};

	CHECK(!json_find(slice_of(text), pointer, &got));
	CHECK_MEM(got.data, got.len, "kept", 4);
}

/* The examples of RFC 6901, and keys that are written with escapes. */
static void finding(void)
{
	const char *rfc =
	    "{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, \"e^f\": 3, \"g|h\": 4,"
	    " \"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7, \"m~n\": 8}";

	found(rfc, "", rfc);
	found(rfc, "/foo", "[\"bar\", \"baz\"]");
	found(rfc, "/foo/0", "\"bar\"");
	found(rfc, "/foo/1", "\"baz\"");
	found(rfc, "/", "0");
	found(rfc, "/a~1b", "1");
	found(rfc, "/c%d", "2");
	found(rfc, "/e^f", "3");
	found(rfc, "/g|h", "4");
	found(rfc, "/i\\j", "5");
	found(rfc, "/k\"l", "6");
	found(rfc, "/ ", "7");
	found(rfc, "/m~0n", "8");
	static const char *const missing[] = {"foo", "/foo/2", "/foo/01", "/foo/-",  "/foo/",
					      "/fo", "/fooo",  "/a/b",    "/foo/0/x"};
	for (size_t i = 0; i < countof(missing); i++)
		not_found(rfc, missing[i]);
	found("{\"\\u0061\\u00e9\\ud83d\\ude00\":1}", "/a\xc3\xa9\xf0\x9f\x98\x80", "1");
	found("{\"x\\/y\":{\"~1\":2}}", "/x~1y/~01", "2");
	not_found("{\"\\u0061\\u00e9\":1}", "/a\xc3");
	/* The last one counts, at every level, even where it hides what the first has. */
	found("{\"a\":{\"b\":1},\"\\u0061\":{\"b\":2,\"b\":3}}", "/a/b", "3");
	not_found("{\"a\":{\"b\":1},\"a\":2}", "/a/b");
	/* Brackets, quotes and commas in strings are nothing. */
	found("{\"a\":[\"]}\\\"\",{\"x\":\"{[,\\\\\"}],\"b\":2}", "/b", "2");
	not_found("3", "/a");
	not_found("", "/a");
}

/* A key of a thousand escapes is the same key still. */
static void long_key(void)
{
	auto_buf struct buf text = {0}, pointer = {0};
	struct slice got;

	buf_add_str(&text, "{\"");
	buf_add_char(&pointer, '/');
	for (int i = 0; i < 1000; i++) {
		buf_add_str(&text, "\\u0078");
		buf_add_char(&pointer, 'x');
	}
	buf_add_str(&text, "\":7}");
	buf_add(&pointer, "", 1);
	CHECK(json_find(buf_slice(&text), pointer.data, &got));
	CHECK_MEM(got.data, got.len, "7", 1);
	pointer.data[pointer.len - 2] = '\0';
	CHECK(!json_find(buf_slice(&text), pointer.data, &got));
}

/* All members as key=value; between them, in their order. */
static void walks(const char *text, const char *want)
{
	auto_buf struct buf all = {0};
	struct json_iter it = json_iterate(slice_of(text));
	struct slice key, value;

	while (json_next(&it, &key, &value)) {
		buf_add_slice(&all, key.data ? key : SLICE("-"));
		buf_add_char(&all, '=');
		buf_add_slice(&all, value);
		buf_add_char(&all, ';');
	}
	CHECK_MEM(all.data, all.len, want, strlen(want));
}

static void walking(void)
{
	walks(" { \"a\" : [1 , 2] , \"\":\"}\",\"a\":null } ", "a=[1 , 2];=\"}\";a=null;");
	walks("[1 ,\"x\" , {\"a\":[]},-2e1]", "-=1;-=\"x\";-={\"a\":[]};-=-2e1;");
	walks("[ ]", "");
	walks("{}", "");
	walks("\"[1]\"", "");
	walks("12", "");
	walks("", "");
	struct json_iter none = json_iterate((struct slice){0});
	struct slice key, value;
	CHECK(!json_next(&none, &key, &value));
}

static void decodes(const char *raw, const char *want, size_t want_len)
{
	/* Of exactly the size that is promised to be enough. */
	size_t len = strlen(raw);
	auto_free char *out = malloc(len ? len : 1);

	CHECK(out);
	long n = json_decode(slice_of(raw), out);
	CHECK(n >= 0);
	CHECK_MEM(out, (size_t)n, want, want_len);
}

static void decoding(void)
{
	char out[16];

	decodes("\"\"", "", 0);
	decodes("\"plain\"", "plain", 5);
	decodes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
	decodes("\"\\u0000x\"", "\0x", 2);
	decodes("\"\\u007f\\u0080\\u07FF\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf",
		11);
	decodes("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8);
	decodes("\"\\\\u0041\xc3\xa9\"", "\\u0041\xc3\xa9", 8);
	CHECK_INT(json_decode(SLICE("12"), out), -1);
	CHECK_INT(json_decode(SLICE("\""), out), -1);
	CHECK_INT(json_decode((struct slice){0}, out), -1);
}

static void integers(void)
{
	static const struct {
		const char *raw;
		bool is_signed, is_unsigned;
		int64_t i;
		uint64_t u;
	} cases[] = {
	    {"0", true, true, 0, 0},
	    {"-1", true, false, -1, 0},
	    {"9007199254740993", true, true, 9007199254740993, 9007199254740993},
	    {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
	    {"9223372036854775808", false, true, 0, 9223372036854775808u},
	    {"-9223372036854775808", true, false, INT64_MIN, 0},
	    {"-9223372036854775809", false, false, 0, 0},
	    {"9999999999999999999", false, true, 0, 9999999999999999999u},
	    {"18446744073709551615", false, true, 0, UINT64_MAX},
	    {"18446744073709551616", false, false, 0, 0},
	    {"99999999999999999999", false, false, 0, 0},
	    {"100000000000000000000000", false, false, 0, 0},
	    {"1.0", false, false, 0, 0},
	    {"1e2", false, false, 0, 0},
	    {"\"1\"", false, false, 0, 0},
	    {"-", false, false, 0, 0},
	    {"01", false, false, 0, 0},
	    {"1234567890123456789x", false, false, 0, 0},
	    {"", false, false, 0, 0},
	};

	for (size_t k = 0; k < countof(cases); k++) {
		int64_t i = 77;
		uint64_t u = 77;
		CHECK(json_to_int64(slice_of(cases[k].raw), &i) == cases[k].is_signed);
		CHECK_INT(i, cases[k].is_signed ? cases[k].i : 77);
		CHECK(json_to_uint64(slice_of(cases[k].raw), &u) == cases[k].is_unsigned);
		CHECK(u == (cases[k].is_unsigned ? cases[k].u : 77));
	}
}

/* The C library's own reading of the whole text is the other opinion. */
static void reads_as_strtod(const char *raw)
{
	double got = 77, want = strtod(raw, NULL);

	CHECK(json_to_double(slice_of(raw), &got));
	if (memcmp(&got, &want, sizeof(got)) != 0)
		fprintf(stderr, "%.60s: %a, not %a\n", raw, got, want);
	CHECK(memcmp(&got, &want, sizeof(got)) == 0);
}

static void doubles(void)
{
	static const char *const cases[] = {
	    "0",
	    "-0",
	    "-0.0",
	    "0e5",
	    "1",
	    "-1.5",
	    "1e2",
	    "1E+2",
	    "100e-2",
	    "0.001",
	    "0.1",
	    "123456.789",
	    "9007199254740993",
	    "5e-324",
	    "2e-324",
	    "1e-400",
	    "2.2250738585072011e-308",
	    "1.7976931348623157e308",
	    "0.00017976931348623157e312",
	    "17976931348623157000e289",
	};
	for (size_t i = 0; i < countof(cases); i++)
		reads_as_strtod(cases[i]);
	static const char *const none[] = {"", "-", "x", "1x", "\"1\"", "null", "inf", "0x10", "1e", "01"};
	for (size_t i = 0; i < countof(none); i++) {
		double value = 77;
		CHECK(!json_to_double(slice_of(none[i]), &value));
		CHECK(value == 77);
	}
}

/* Halfway between two doubles, and after `zeros` zeros a digit that decides. */
static void halfway(size_t zeros, const char *last)
{
	auto_buf struct buf text = {0};

	buf_add_str(&text, "1.00000000000000011102230246251565404236316680908203125");
	for (size_t i = 0; i < zeros; i++)
		buf_add_char(&text, '0');
	buf_add_str(&text, last);
	buf_add(&text, "", 1);
	reads_as_strtod(text.data);
	CHECK((strtod(text.data, NULL) > 1) == (last[0] == '1'));
}

/* `digits` times a digit around the end of a double's range. */
static bool in_range(const char *begin, size_t zeros, const char *rest)
{
	auto_buf struct buf text = {0};
	struct json_error error;

	buf_add_str(&text, begin);
	for (size_t i = 0; i < zeros; i++)
		buf_add_char(&text, '0');
	buf_add_str(&text, rest);
	bool is_good = json_check(buf_slice(&text), 1, &error);
	buf_add(&text, "", 1);
	CHECK(is_good == (bool)isfinite(strtod(text.data, NULL)));
	return is_good;
}

static void ranges(void)
{
	CHECK(in_range("1", 308, ""));
	CHECK(!in_range("1", 309, ""));
	CHECK(in_range("0.", 5000, "1e5300"));
	CHECK(!in_range("0.", 5000, "1e5310"));
	CHECK(in_range("1", 5000, "e-4700"));
	CHECK(!in_range("1", 5000, "e-4600"));
	/* The least that rounds to infinity is 2^1024 - 2^970; a last digit after many may lie on either side
	 * of it. */
	const char *below = "1.797693134862315807e308", *above = "1.797693134862315808e308";
	CHECK(in_range(below, 0, ""));
	CHECK(!in_range(above, 0, ""));
	CHECK(in_range("0", 0, "e999999999999999999999"));
	CHECK(in_range("1", 0, "e-999999999999999999999"));
	CHECK(!in_range("1", 0, "e999999999999999999999"));
}

/* Text that has not been checked: whatever it is, walking stays inside and comes to an end. */
static void any_text(void)
{
	static const char alphabet[] = "{}[]:,\"\\a1 ";
	unsigned seed = 1;

	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)(round % 24);
		auto_free char *text = malloc(len ? len : 1);
		CHECK(text);
		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		struct slice raw = {text, len}, key, value;
		struct json_iter it = json_iterate(raw);
		size_t steps = 0;
		while (json_next(&it, &key, &value)) {
			CHECK(value.data >= text && value.data + value.len <= text + len);
			CHECK(++steps <= len);
		}
		(void)json_find(raw, "/a/1", &value);
	}
}

int main(void)
{
	checking();
	finding();
	long_key();
	walking();
	decoding();
	integers();
	doubles();
	halfway(0, "0");
	halfway(700, "1");
	halfway(900, "1");
	halfway(900, "0");
	ranges();
	any_text();
	return 0;
}
