/* Names and values in addresses, as tables. */
#include "check.h"

#include <errno.h>

#include "web/urlpath.h"

static const struct {
	const char *url, *name; /* NULL: refused */
} rows[] = {
    {"/", ""},
    {"", ""},
    {"/a", "a"},
    {"/a/", "a"},
    {"/files/views/count.json", "files/views/count.json"},
    {"/files/%65vents/%61pp", "files/events/app"},
    {"/files/events/app@0:%30", "files/events/app@0:0"},
    {"/%41%5a%7A", "AZz"},
    {"/%c3%a4", "\xc3\xa4"},
    {"/a b", "a b"},
    {"/...", "..."},
    {"/..a/a..", "..a/a.."},
    {"/.hidden", ".hidden"},
    {"/%2525", "%25"},
    {"//", NULL},
    {"//a", NULL},
    {"/a//b", NULL},
    {"/a//", NULL},
    {"/.", NULL},
    {"/..", NULL},
    {"/a/.", NULL},
    {"/a/./b", NULL},
    {"/a/../b", NULL},
    {"/a/..", NULL},
    {"/a/../", NULL},
    {"/%2e", NULL},
    {"/%2E%2e/b", NULL},
    {"/.%2e", NULL},
    {"/a%2fb", NULL},
    {"/%2f", NULL},
    {"/a%00", NULL},
    {"/%00", NULL},
    {"/a%1f", NULL},
    {"/a\n", NULL},
    {"/a%0d", NULL},
    {"/a%7f", NULL},
    {"/a\\b", NULL},
    {"/a%5cb", NULL},
    {"/%", NULL},
    {"/%a", NULL},
    {"/%zz", NULL},
    {"/%a\x01", NULL},
    {"/%-1", NULL},
    {"/%@0", NULL},
    {"/%`0", NULL},
    {"/%g0", NULL},
    {"/%0G", NULL},
};

/* Values are any bytes. */
static const struct {
	const char *text, *value; /* NULL: refused */
	size_t len;
} values[] = {
    {"", "", 0},
    {"a%2fb%2E%2e/..", "a/b../..", 8},
    {"%5B%22%c3%a4%22%5D", "[\"\xc3\xa4\"]", 6},
    {"%00%ff%0a", "\0\xff\n", 3},
    {"%", NULL, 0},
    {"a%4", NULL, 0},
    {"%4g", NULL, 0},
};

static void check_values(void)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		auto_buf struct buf out = {0};

		CHECK_INT(urlpath_decode_value(values[i].text, &out), values[i].value ? 0 : -EINVAL);
		if (values[i].value)
			CHECK_MEM(out.data, out.len, values[i].value, values[i].len);
	}
}

int main(void)
{
	char out[64];

	check_values();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int r = urlpath_decode(rows[i].url, out, sizeof(out));

		if (r != (rows[i].name ? 0 : -EINVAL))
			fprintf(stderr, "%s\n", rows[i].url);
		CHECK_INT(r, rows[i].name ? 0 : -EINVAL);
		if (rows[i].name)
			CHECK_STR(out, rows[i].name);
	}

	/* To the last byte, and not beyond. */
	CHECK_INT(urlpath_decode("/abc", out, 4), 0);
	CHECK_STR(out, "abc");
	out[3] = 'x';
	CHECK_INT(urlpath_decode("/abcd", out, 3), -ENAMETOOLONG);
	CHECK_INT(out[3], 'x');
	CHECK_INT(urlpath_decode("/%61%62%63%64", out, 4), -ENAMETOOLONG);
	return 0;
}
