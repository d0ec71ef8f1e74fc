#include "cluster/etcd/base64.h"

#include "check.h"

static void both_ways(struct slice bytes, const char *text)
{
	auto_buf struct buf out = {0};
	size_t len;

	base64_add(&out, bytes);
	CHECK_MEM(out.data, out.len, text, strlen(text));
	len = out.len;
	CHECK(base64_decode(out.data, &len));
	CHECK_MEM(out.data, len, bytes.data, bytes.len);
}

static void is_none(const char *text)
{
	char copy[64];
	size_t len = strlen(text);

	memcpy(copy, text, len);
	CHECK(!base64_decode(copy, &len));
}

/* Of every length, and every byte at every place in three. */
static void test_all(void)
{
	auto_buf struct buf out = {0};
	char bytes[259];
	size_t len;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	for (size_t from = 0; from < 3; from++) {
		for (size_t n = 0; n < 256; n++) {
			buf_clear(&out);
			base64_add(&out, (struct slice){bytes + from, n});
			CHECK_INT(out.len, (n + 2) / 3 * 4);
			len = out.len;
			CHECK(base64_decode(out.data, &len));
			CHECK_MEM(out.data, len, bytes + from, n);
		}
	}
}

int main(void)
{
	/* RFC 4648 */
	both_ways(SLICE(""), "");
	both_ways(SLICE("f"), "Zg==");
	both_ways(SLICE("fo"), "Zm8=");
	both_ways(SLICE("foo"), "Zm9v");
	both_ways(SLICE("foob"), "Zm9vYg==");
	both_ways(SLICE("fooba"), "Zm9vYmE=");
	both_ways(SLICE("foobar"), "Zm9vYmFy");
	both_ways(SLICE("\xfb\xff\xbf\0\xff"), "+/+/AP8=");
	is_none("Z");
	is_none("Zg");
	is_none("Zg=");
	is_none("====");
	is_none("Z===");
	is_none("=Zg=");
	is_none("Zg==Zg==");
	is_none("Zg= ");
	is_none("Zm-_");
	is_none("Zm9\xff");
	is_none("Zm9v\n");
	test_all();
	return 0;
}
