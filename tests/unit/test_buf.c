#include "base/buf.h"
#include "base/diag.h"
#include "check.h"

static void json_of(const char *in, size_t len, const char *want)
{
	auto_buf struct buf b = {0};

	buf_add_json(&b, (struct slice){in, len});
	CHECK_MEM(b.data, b.len, want, strlen(want));
}

int main(void)
{
	auto_buf struct buf b = {0};

	buf_add_u64(&b, 0);
	buf_add_char(&b, ' ');
	buf_add_u64(&b, UINT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_add_char(&b, ' ');
	buf_add_hex64(&b, 0xabc);
	buf_printf(&b, " %s", "x");
	const char *want = "0 18446744073709551615 -9223372036854775808 0000000000000abc x";
	CHECK_MEM(b.data, b.len, want, strlen(want));
	buf_drop(&b, 2);
	CHECK(b.data[0] == '1');
	CHECK_INT(buf_error(&b), 0);
	CHECK_INT(buf_reserve(&b, SIZE_MAX), -12);
	buf_add_str(&b, "lost");
	CHECK_INT(buf_error(&b), -12);

	json_of("a\"\\\n\x01\x7f", 6, "\"a\\\"\\\\\\n\\u0001\x7f\"");
	json_of("\xc3\xa9\xff\xed\xa0\x80", 6,
		"\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");

	struct diag d;
	CHECK_INT(diag_set(&d, -5, "a\n%d", 1), -5);
	CHECK_STR(d.text, "a 1");
	return 0;
}
