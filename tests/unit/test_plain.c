#include "base/diag.h"
#include "base/plain.h"
#include "base/utf8.h"
#include "check.h"

static void plain_is(const char *text, size_t len, size_t size, const char *want)
{
	char out[64];

	memset(out, 'x', sizeof(out));
	size_t n = plain_text(out, size, (struct slice){text, len}, false);
	CHECK_MEM(out, n, want, strlen(want));
	CHECK(n < size && out[n] == '\0' && out[size] == 'x');
}

#define PLAIN(text, want) plain_is(text, sizeof(text) - 1, 48, want)

static void characters(void)
{
	PLAIN("", "");
	PLAIN("\\ as it is: \" \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
	      "\\ as it is: \" \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	PLAIN("a\tb\r\nc", "a b  c");
	PLAIN("a\0b", "a\\u0000b");
	PLAIN("\033[31mred\a\x7f", "\\u001b[31mred\\u0007\\u007f");
	PLAIN("\xc2\x9b|\xe2\x80\xae|\xe2\x81\xa6|\xe2\x80\xa8", "\\u009b|\\u202e|\\u2066|\\u2028");
	PLAIN("a\xff"
	      "b\xc3(",
	      "a\xef\xbf\xbd"
	      "b\xef\xbf\xbd(");
	PLAIN("\xed\xa0\x80.", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.");
}

static void cutting(void)
{
	plain_is("0123456789abcde", 15, 16, "0123456789abcde");
	plain_is("0123456789abcdef", 16, 16, "0123456789ab\xe2\x80\xa6");
	/* Between characters. */
	plain_is("0123456789a\xe2\x82\xac"
		 "defg",
		 18, 16, "0123456789a\xe2\x80\xa6");
	plain_is("0123456789\033cdef", 15, 16, "0123456789\xe2\x80\xa6");
	plain_is("012345678\033cdef", 15, 16, "012345678\xe2\x80\xa6");
	/* Where it was cut before. */
	PLAIN("abc\xe2\x82", "abc\xe2\x80\xa6");
	PLAIN("abc\xf0\x9f\x98", "abc\xe2\x80\xa6");
	char out[16];
	CHECK_INT(plain_text(out, sizeof(out), slice_of("abc"), true), 6);
}

static void twice(void)
{
	char once[48], again[48];

	plain_text(once, sizeof(once),
		   SLICE("a\0b\033\xff\xe2\x82\xac \xc2\x85 and much more text behind that"), false);
	plain_text(again, sizeof(again), slice_of(once), false);
	CHECK_STR(again, once);
}

static void diags(void)
{
	struct diag d;
	char text[3000];

	CHECK_INT(diag_set(&d, -5, "a\n%s\033", "b"), -5);
	CHECK_STR(d.text, "a b\\u001b");
	CHECK_INT(diag_set_text(&d, 3, SLICE("a\0b")), 3);
	CHECK_STR(d.text, "a\\u0000b");
	CHECK_INT(diag_set(NULL, -5, "%s", "x"), -5);
	/* Longer than it can be, at every place in a character. */
	for (size_t pad = 0; pad < 8; pad++) {
		memset(text, 'x', pad);
		for (size_t i = pad; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 4);
		diag_set(&d, 0, "%s", text);
		size_t len = strlen(d.text);
		CHECK(len > sizeof(d.text) - 8 && strcmp(d.text + len - 3, "\xe2\x80\xa6") == 0);
		for (size_t i = pad; i < len; i += 3)
			CHECK_INT(utf8_length(d.text + i, len - i), 3);
	}
}

int main(void)
{
	characters();
	cutting();
	twice();
	diags();
	return 0;
}
