/* What <eventfold/reducer.h> promises to reducers, on one event after the other. */
#include "check.h"
#include "model/event/event.h"
#include "model/host/reducer_api.h"

static struct event ev;

static void scan(const char *line)
{
	struct json_error error = {0};

	bool is_good = event_scan(&ev, slice_of(line), &error);
	if (!is_good)
		fprintf(stderr, "%s: %s\n", line, error.why);
	CHECK(is_good);
}

static void raw_is(const char *pointer, const char *want)
{
	struct eventfold_slice got;

	CHECK(eventfold_get_raw(&ev.pub, pointer, &got));
	CHECK_MEM(got.data, got.len, want, strlen(want));
}

static void string_is(const char *pointer, const char *want, size_t len)
{
	struct eventfold_slice got;

	CHECK(eventfold_get_string(&ev.pub, pointer, &got));
	CHECK_MEM(got.data, got.len, want, len);
}

#define SAMPLE                                                                                               \
	"{\"type\":\"t\\u0031\",\"data\":{\"text\":\"buy\",\"esc\":\"a\\n\\u0000\",\"n\":9007199254740993,"  \
	"\"neg\":-5,"                                                                                        \
	"\"big\":18446744073709551615,\"f\":1.5,\"yes\":true,\"no\":false,\"nil\":null,\"tags\":[\"x\","     \
	"\"y\"],"                                                                                            \
	"\"k\\u0065y\":1,\"twice\":1,\"twice\":2},\"ts\":18446744073709551615,\"id\":\"i\",\"meta\":{\"a/"   \
	"b\":[3]},"                                                                                          \
	"\"more\":{\"deep\":[0,[7]]}}"

static void raw_values(void)
{
	scan(SAMPLE);
	raw_is("", SAMPLE);
	raw_is("/type", "\"t\\u0031\"");
	raw_is("/ts", "18446744073709551615");
	raw_is("/data/tags", "[\"x\",\"y\"]");
	raw_is("/data/key", "1");
	raw_is("/data/twice", "2");
	raw_is("/data/nil", "null");
	raw_is("/meta", "{\"a/b\":[3]}");
	raw_is("/meta/a~1b/0", "3");
	raw_is("/more/deep/1/0", "7");
	static const char *const missing[] = {"data",         "/dat",   "/datax", "/data/",
					      "/data/tags/2", "/actor", "/metax", "/data/text/0"};
	for (size_t i = 0; i < countof(missing); i++) {
		struct eventfold_slice got = {"kept", 4};
		CHECK(!eventfold_get_raw(&ev.pub, missing[i], &got));
		CHECK_MEM(got.data, got.len, "kept", 4);
	}
	scan("{\"type\":\"a\"}");
	raw_is("/data", "null");
	struct eventfold_slice got;
	CHECK(!eventfold_get_raw(&ev.pub, "/meta", &got));
}

static void typed_values(void)
{
	struct eventfold_slice s = {"kept", 4};
	int64_t i = 77;
	uint64_t u = 77;
	double d = 77;
	bool b = false;

	scan(SAMPLE);
	string_is("/data/text", "buy", 3);
	string_is("/data/esc", "a\n\0", 3);
	string_is("/type", "t1", 2);
	string_is("/data/tags/1", "y", 1);
	CHECK(eventfold_get_int64(&ev.pub, "/data/n", &i) && i == 9007199254740993);
	CHECK(eventfold_get_int64(&ev.pub, "/data/neg", &i) && i == -5);
	CHECK(eventfold_get_uint64(&ev.pub, "/data/big", &u) && u == UINT64_MAX);
	CHECK(eventfold_get_uint64(&ev.pub, "/ts", &u) && u == UINT64_MAX);
	CHECK(eventfold_get_double(&ev.pub, "/data/f", &d) && d == 1.5);
	CHECK(eventfold_get_double(&ev.pub, "/data/neg", &d) && d == -5);
	CHECK(eventfold_get_bool(&ev.pub, "/data/yes", &b) && b);
	CHECK(eventfold_get_bool(&ev.pub, "/data/no", &b) && !b);
	/* Another kind is no value, and leaves what was there. */
	CHECK(!eventfold_get_string(&ev.pub, "/data/n", &s));
	CHECK(!eventfold_get_string(&ev.pub, "/data/nil", &s));
	CHECK_MEM(s.data, s.len, "kept", 4);
	CHECK(!eventfold_get_int64(&ev.pub, "/data/f", &i) &&
	      !eventfold_get_int64(&ev.pub, "/data/big", &i) && i == -5);
	CHECK(!eventfold_get_uint64(&ev.pub, "/data/neg", &u) &&
	      !eventfold_get_uint64(&ev.pub, "/data/text", &u));
	CHECK(!eventfold_get_double(&ev.pub, "/data/text", &d) &&
	      !eventfold_get_double(&ev.pub, "/data/nil", &d));
	CHECK(!eventfold_get_bool(&ev.pub, "/data/nil", &b) && !eventfold_get_bool(&ev.pub, "/data/n", &b));
	CHECK(u == UINT64_MAX && d == -5 && !b);
}

/* Strings that were decoded stay where they are, however many more are. */
static void many_strings(void)
{
	struct eventfold_slice got[100];

	scan("{\"type\":\"a\\n\",\"data\":[\"x\\t\",\"y\\t\"]}");
	for (size_t i = 0; i < countof(got); i++)
		CHECK(eventfold_get_string(&ev.pub, i % 2 ? "/data/1" : "/data/0", &got[i]));
	for (size_t i = 0; i < countof(got); i++)
		CHECK_MEM(got[i].data, got[i].len, i % 2 ? "y\t" : "x\t", 2);
	CHECK_MEM(ev.pub.type.data, ev.pub.type.len, "a\n", 2);
}

static void tree(void)
{
	scan("{\"type\":\"a\",\"data\":{\"x\":[1,\"\\u00e9\"]}}");
	const cJSON *data = eventfold_data(&ev.pub);
	CHECK(data && data == eventfold_data(&ev.pub));
	const cJSON *x = cJSON_GetObjectItem(data, "x");
	CHECK_INT(cJSON_GetArraySize(x), 2);
	CHECK_STR(cJSON_GetArrayItem(x, 1)->valuestring, "\xc3\xa9");
	/* The next event has its own. */
	scan("{\"type\":\"a\",\"data\":5}");
	CHECK(eventfold_data(&ev.pub)->valuedouble == 5);
	scan("{\"type\":\"a\"}");
	CHECK(cJSON_IsNull(eventfold_data(&ev.pub)));
}

static void count_free(void *form)
{
	++*(int *)form;
}

/* What a host has made of an event is found by that host alone, and goes with the event, once. */
static void foreign_form(void)
{
	static const struct event_host one = {count_free}, other = {count_free};
	int freed = 0, freed_other = 0;

	scan("{\"type\":\"a\"}");
	CHECK(!event_form(&ev, &one));
	event_set_form(&ev, &one, &freed);
	CHECK(event_form(&ev, &one) == &freed && !event_form(&ev, &other));
	scan("{\"type\":\"b\"}");
	CHECK_INT(freed, 1);
	CHECK(!event_form(&ev, &one));
	scan("{\"type\":\"c\"}");
	CHECK_INT(freed, 1);
	event_set_form(&ev, &one, &freed);
	event_set_form(&ev, &other, &freed_other);
	CHECK_INT(freed, 2);
	CHECK(!event_form(&ev, &one) && event_form(&ev, &other) == &freed_other);
	event_deinit(&ev);
	CHECK_INT(freed, 2);
	CHECK_INT(freed_other, 1);
}

static void walking(void)
{
	static const char *const keys[] = {"a", "b\\n", "a"}, *const values[] = {"[1, 2]", "\"x\"", "{}"};
	struct eventfold_slice data, key, value;
	size_t n = 0;
	int64_t number;
	char out[8];

	scan("{\"type\":\"a\",\"data\":{ \"a\":[1, 2],\"b\\n\" : \"x\",\"a\":{} }}");
	CHECK(eventfold_get_raw(&ev.pub, "/data", &data));
	struct eventfold_iter it = eventfold_iterate(data);
	for (; eventfold_next(&it, &key, &value); n++) {
		CHECK_MEM(key.data, key.len, keys[n], strlen(keys[n]));
		CHECK_MEM(value.data, value.len, values[n], strlen(values[n]));
	}
	CHECK_INT(n, 3);
	CHECK(eventfold_get_raw(&ev.pub, "/data/b\n", &value));
	CHECK_INT(eventfold_decode(value, out), 1);
	CHECK(out[0] == 'x');
	scan("{\"type\":\"a\",\"data\":[-7,8.5]}");
	it = eventfold_iterate(ev.pub.data);
	CHECK(eventfold_next(&it, &key, &value) && !key.data);
	CHECK(eventfold_to_int64(value, &number) && number == -7);
	CHECK(eventfold_next(&it, &key, &value) && !eventfold_to_int64(value, &number));
	CHECK(!eventfold_next(&it, &key, &value));
	CHECK_INT(eventfold_decode(value, out), -1);
	/* Nothing has no members: an absent meta. */
	it = eventfold_iterate(ev.pub.meta);
	CHECK(!eventfold_next(&it, &key, &value));
}

static void failing(void)
{
	struct diag why = {0};

	scan("{\"type\":\"a\"}");
	CHECK_INT(eventfold_fail(&ev.pub, "nobody listens"), -1);
	ev.fail = &why;
	CHECK_INT(eventfold_fail(&ev.pub, "item %d is\nmissing %%", 5), -1);
	CHECK_STR(why.text, "item 5 is missing %");
	char much[2000];
	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	CHECK_INT(eventfold_fail(&ev.pub, "%s", much), -1);
	CHECK_INT(strlen(why.text), sizeof(why.text) - 1);
	ev.fail = NULL;
}

static void writing(void)
{
	auto_buf struct buf text = {0};
	struct eventfold_writer out = {&text};
	static const char want[] = "[-9223372036854775808,18446744073709551615,\"a\\\"\\n\xc3\xa9\"]";

	eventfold_write(&out, "[xyz", 1);
	eventfold_write_int64(&out, INT64_MIN);
	eventfold_write_text(&out, ",");
	eventfold_write_uint64(&out, UINT64_MAX);
	eventfold_write_text(&out, ",");
	eventfold_write_string(&out, (struct eventfold_slice){"a\"\n\xc3\xa9", 5});
	eventfold_write_text(&out, "]");
	CHECK_MEM(text.data, text.len, want, sizeof(want) - 1);
}

int main(void)
{
	raw_values();
	typed_values();
	many_strings();
	tree();
	foreign_form();
	walking();
	failing();
	writing();
	event_deinit(&ev);
	return 0;
}
