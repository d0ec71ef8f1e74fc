/* Rows of states, as a table, and of a large one row by row. */
#include "check.h"

#include <errno.h>

#include "base/json.h"
#include "web/outline.h"

static const struct {
	const char *json, *open;
	uint64_t from, rows;
	const char *shown; /* key and value or size of each row, with dots for its depth; NULL: refused */
} rows[] = {
    {"{\"a\":1,\"b\":\"x\"}\n", "", 0, 9, "a=1 b=\"x\" "},
    {"{\"a\":1,\"b\":\"x\"}", "[]", 1, 9, "b=\"x\" "},
    {"{\"a\":1,\"b\":\"x\"}", "", 0, 1, "a=1 "},
    {"{\"a\":1,\"b\":\"x\"}", "", 2, 9, ""},
    {"{\"a\":1,\"b\":\"x\"}", "", UINT64_MAX, UINT64_MAX, ""},
    {"{\"a\":1,\"b\":\"x\"}", "", 0, 0, ""},
    {"[]", "", 0, 9, ""},
    {"{}", "[[\"a\"]]", 0, 9, ""},
    {"null\n", "", 0, 9, "null "},
    {" -1.50e2 ", "", 0, 9, "-1.50e2 "},
    {"\"a\\u00e4\"", "", 0, 9, "\"a\\u00e4\" "},
    {"12345678901234567890", "[[\"a\"]]", 0, 9, "12345678901234567890 "},
    {"7", "", 1, 9, ""},
    {"[1,[2,3],{\"x\":[]}]", "", 0, 9, "0=1 1[2] 2{1} "},
    {"[1,[2,3],{\"x\":[]}]", "[[\"1\"],[\"2\"]]", 0, 9, "0=1 1[2] .0=2 .1=3 2{1} .x[0] "},
    {"[1,[2,3],{\"x\":[]}]", "[[\"1\"],[\"2\"]]", 3, 2, ".1=3 2{1} "},
    {"{\"a\":{\"b\":{\"c\":1}},\"d\":2}", "[[\"a\"],[\"a\",\"b\"]]", 0, 9, "a{1} .b{1} ..c=1 d=2 "},
    {"{\"a\":{\"b\":{\"c\":1}},\"d\":2}", "[[\"b\"],[\"d\"],[\"0\"]]", 0, 9, "a{1} d=2 "},
    /* A name is what it means, however it is written. */
    {"{\"\\u0061\\\"\":[1],\"\":[2]}", "[[\"a\\\"\"],[\"\"]]", 0, 9, "a\"[1] .0=1 [1] .0=2 "},
    {"{\"1\":[7]}", "[[\"\\u0031\"]]", 0, 9, "1[1] .0=7 "},
    {"[[7]]", "[[\"00\"]]", 0, 9, "0[1] "},
    {"{}", "{}", 0, 9, ""},
    {"{}", "[[1]]", 0, 9, NULL},
    {"{}", "[\"a\"]", 0, 9, ""},
    {"{}", "[[[\"a\"]]]", 0, 9, NULL},
    {"{}", "[[\"a\"]", 0, 9, NULL},
    {"{}", "nonsense", 0, 9, NULL},
    /* What is no JSON is walked as far as it goes. */
    {"", "", 0, 9, " "},
    {"{", "", 0, 9, ""},
    {"{\"a\":[1,", "[[\"a\"]]", 0, 9, "a[1] .0=1 "},
};

static struct slice find(struct slice raw, const char *pointer)
{
	struct slice found = {0};

	return json_find(raw, pointer, &found) ? found : (struct slice){0};
}

static uint64_t number(struct slice raw, const char *pointer)
{
	uint64_t n = UINT64_MAX;

	CHECK(json_to_uint64(find(raw, pointer), &n));
	return n;
}

static void add_decoded(struct buf *out, struct slice raw)
{
	if (raw.len == 0 || raw.data[0] != '"')
		return buf_add_slice(out, raw);
	CHECK_INT(buf_reserve(out, raw.len), 0);
	long len = json_decode(raw, out->data + out->len);
	CHECK(len >= 0);
	out->len += (size_t)len;
}

/* The rows in short; what the answer says of them has to agree. */
static void show(struct slice answer, struct buf *out)
{
	struct json_iter it = json_iterate(find(answer, "/rows"));
	struct json_error error;
	struct slice none, row;
	char pointer[64];

	if (!json_check(answer, 9, &error))
		CHECK(false);
	while (json_next(&it, &none, &row)) {
		struct slice parent = find(row, "/parent"), key = find(row, "/key"),
			     type = find(row, "/type");
		snprintf(pointer, sizeof(pointer), "/parents/%.*s", (int)parent.len, parent.data);
		struct slice of = find(answer, pointer);
		for (uint64_t level = number(of, "/level"); level > 1; level--)
			buf_add_char(out, '.');
		CHECK(number(row, "/index") < number(of, "/size"));
		add_decoded(out, key);
		if (type.len > 0) {
			bool is_array = slice_eq(type, SLICE("\"array\""));
			buf_printf(out, is_array ? "[%d]" : "{%d}", (int)number(row, "/size"));
		} else {
			buf_add_str(out, key.data ? "=" : "");
			add_decoded(out, find(row, "/value"));
		}
		buf_add_char(out, ' ');
	}
}

static void check_table(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct outline_query query = {rows[i].from, rows[i].rows, slice_of(rows[i].open)};
		auto_buf struct buf out = {0}, shown = {0};

		fprintf(stderr, "%s %s\n", rows[i].json, rows[i].open);
		int r = outline_write(slice_of(rows[i].json), &query, &out);
		CHECK_INT(r, rows[i].shown ? 0 : -EINVAL);
		if (r < 0)
			continue;
		show(buf_slice(&out), &shown);
		CHECK_MEM(shown.data, shown.len, rows[i].shown, strlen(rows[i].shown));
		CHECK_INT(number(buf_slice(&out), "/length"), strlen(rows[i].json));
	}
}

/* What is long is cut between two characters; it can't be folded open. */
static void check_long(void)
{
	const struct outline_query query = {0, 9, {0}};
	auto_buf struct buf json = {0}, out = {0}, value = {0};

	buf_add_str(&json, "{\"");
	for (int i = 0; i < 400; i++)
		buf_add_str(&json, "\xe2\x82\xac");
	buf_add_str(&json, "\":\"");
	for (int i = 0; i < 400; i++)
		buf_add_str(&json, "\xc3\xa4");
	buf_add_str(&json, "\"}");
	CHECK_INT(outline_write(buf_slice(&json), &query, &out), 0);
	CHECK(slice_eq(find(buf_slice(&out), "/rows/0/cut"), SLICE("true")));
	CHECK_INT(find(buf_slice(&out), "/rows/0/key").len, 2 + OUTLINE_TEXT / 3 * 3);
	add_decoded(&value, find(buf_slice(&out), "/rows/0/value"));
	CHECK_INT(value.len, 1 + (OUTLINE_TEXT - 1) / 2 * 2);
}

/* Any window of a large state is what the whole has there; a hash differs exactly where the value does. */
static void check_windows(void)
{
	enum { MEMBERS = 3000 };
	auto_buf struct buf json = {0};

	buf_add_str(&json, "{");
	for (int i = 0; i < MEMBERS; i++)
		buf_printf(&json, "%s\"k%d\":{\"n\":%d,\"l\":[%d]}", i ? "," : "", i, i / 2, i);
	buf_add_str(&json, "}");
	for (uint64_t from = 0; from < MEMBERS + 4; from += 97) {
		const struct outline_query query = {from, 40, SLICE("[[\"k100\"],[\"k100\",\"l\"]]")};
		auto_buf struct buf out = {0};
		CHECK_INT(outline_write(buf_slice(&json), &query, &out), 0);
		CHECK_INT(number(buf_slice(&out), "/count"), MEMBERS + 3);
		struct json_iter it = json_iterate(find(buf_slice(&out), "/rows"));
		struct slice none, row;
		uint64_t i = from;
		for (; json_next(&it, &none, &row); i++) {
			char key[32];
			if (i > 100 && i <= 103)
				continue;
			snprintf(key, sizeof(key), "\"k%d\"", (int)(i > 100 ? i - 3 : i));
			CHECK(slice_eq(find(row, "/key"), slice_of(key)));
		}
		CHECK_INT(i, min(from + 40, (uint64_t)MEMBERS + 3));
	}
	const struct outline_query pairs = {0, OUTLINE_ROWS, SLICE("[[\"k0\"],[\"k1\"],[\"k2\"]]")};
	auto_buf struct buf out = {0};
	CHECK_INT(outline_write(buf_slice(&json), &pairs, &out), 0);
	CHECK(slice_eq(find(buf_slice(&out), "/rows/1/hash"), find(buf_slice(&out), "/rows/4/hash")));
	CHECK(!slice_eq(find(buf_slice(&out), "/rows/1/hash"), find(buf_slice(&out), "/rows/7/hash")));
	CHECK(slice_eq(find(buf_slice(&out), "/parents/3/path"), SLICE("[\"k1\"]")));
}

/* More names and deeper ones than anybody folds open. */
static void check_limits(void)
{
	auto_buf struct buf deep = {0}, many = {0}, out = {0};

	buf_add_str(&deep, "[[");
	for (int i = 0; i <= OUTLINE_DEPTH; i++)
		buf_add_str(&deep, i ? ",\"a\"" : "\"a\"");
	buf_add_str(&deep, "]]");
	buf_add_str(&many, "[");
	for (int i = 0; i <= OUTLINE_OPEN; i++)
		buf_printf(&many, "%s[\"%d\"]", i ? "," : "", i);
	buf_add_str(&many, "]");
	CHECK_INT(outline_write(SLICE("{}"), &(struct outline_query){0, 9, buf_slice(&deep)}, &out), -EINVAL);
	CHECK_INT(outline_write(SLICE("{}"), &(struct outline_query){0, 9, buf_slice(&many)}, &out), -EINVAL);
}

int main(void)
{
	check_table();
	check_long();
	check_windows();
	check_limits();
	return 0;
}
