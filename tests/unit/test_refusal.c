/* Which refused line is a thread's, and what is said of it. */
#include "check.h"

#include "web/refusal.h"

static const char refused[] =
    "{\"time\":1,\"error\":\"EINVAL\",\"reason\":\"first\",\"column\":3,\"uid\":0,\"pid\":7,\"line\":\"x\"}\n"
    "{\"time\":2,\"error\":\"EINVAL\",\"reason\":\"a \\\"quoted\\\" "
    "one\",\"column\":12,\"uid\":0,\"pid\":7,\"line\":\"\\\"pid\\\":8,\"}\n"
    "{\"time\":3,\"error\":\"EMSGSIZE\",\"reason\":\"too "
    "long\",\"uid\":0,\"pid\":77,\"line\":\",\\\"column\\\":5\"}\n";

static void says(struct slice refusal, const char *key, const char *want)
{
	struct slice raw = refusal_member(refusal, key);

	CHECK_MEM(raw.data, raw.len, want, strlen(want));
}

int main(void)
{
	struct slice all = SLICE(refused), found;

	found = refusal_find(all, 7);
	says(found, "reason", "\"a \\\"quoted\\\" one\"");
	says(found, "column", "12");
	says(found, "none", "");
	found = refusal_find(all, 77);
	says(found, "reason", "\"too long\"");
	says(found, "column", ""); /* the line has it, not the refusal */
	CHECK_INT(refusal_find(all, 8).len, 0);
	CHECK_INT(refusal_find((struct slice){0}, 7).len, 0);

	/* Cut off anywhere, it is read no further than it goes. */
	for (size_t len = 0; len <= all.len; len++) {
		char *copy = malloc(len ? len : 1);

		memcpy(copy, refused, len);
		found = refusal_find((struct slice){copy, len}, 7);
		struct slice raw = refusal_member(found, "reason");
		CHECK(raw.len == 0 || (raw.data >= copy && raw.data + raw.len <= copy + len));
		raw = refusal_member(found, "column");
		CHECK(raw.len == 0 || (raw.data >= copy && raw.data + raw.len <= copy + len));
		free(copy);
	}
	return 0;
}
