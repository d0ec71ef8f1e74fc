/* Conditions of requests, as tables. */
#include "check.h"

#include <errno.h>

#include "web/condition.h"

static const struct {
	const char *list, *etag;
	bool has;
} tags[] = {
    {NULL, "\"a\"", false},
    {"", "\"a\"", false},
    {"\"a\"", "\"a\"", true},
    {"*", "\"a\"", true},
    {"W/\"a\"", "\"a\"", true},
    {"\"b\", \"a\"", "\"a\"", true},
    {"\"a\",\"b\"", "\"a\"", true},
    {"\"a\" , \"b\"", "\"a\"", true},
    {"\"ab\"", "\"a\"", false},
    {"\"ba\"", "\"a\"", false},
    {"a", "\"a\"", false},
    {"\"a\"x", "\"a\"", false},
    {"\"a\"x,\"a\"", "\"a\"", true},
    {"*", "", false}, /* a file that has no tag */
    {"\"a\"", "", false},
};

static const struct {
	const char *match, *name; /* NULL: refused; of a log whose head is at 41 */
} heads[] = {
    {NULL, "events/app"},
    {"*", "events/app"},
    {"\"0:\"", "events/app@0:"},
    {"0:", "events/app@0:"},
    {"\"41:0123456789abcdef\"", "events/app@41:0123456789abcdef"},
    {"", NULL},
    {"\"\"", NULL},
    {"\"", NULL},
    {"W/\"0:\"", NULL},
    {"\"1:00\", \"41:0123456789abcdef\"", "events/app@41:0123456789abcdef"},
    {"\"41:0123456789abcdef\",\"50:00\"", "events/app@41:0123456789abcdef"},
    {",\t\"x\" , , \"41:0123456789abcdef\"\t,", "events/app@41:0123456789abcdef"},
    {"W/\"41:0123456789abcdef\", \"1:00\"", "events/app@1:00"}, /* the mount refuses it */
    {"\"0:\", \"1:\"", "events/app@1:"},
    {"\"0:\", *", "events/app@0:"},
    {"W/\"41:0123456789abcdef\", W/\"0:\"", NULL},
    {"\"x,41:0123456789abcdef,y\"", NULL},
    {"*, *", NULL},
    {",", NULL},
    {" , ", NULL},
    {"\"41:0123456789ABCDEF\"", NULL},
    {"../app", NULL},
    {"\"0:/\"", NULL},
    {"\"18446744073709551615:0123456789abcdef0123456789abcdef\"", NULL},
};

int main(void)
{
	char name[64];

	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		CHECK_INT(condition_has(tags[i].list, tags[i].etag), tags[i].has);
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		CHECK_INT(condition_log(heads[i].match, "41:0123456789abcdef", name, sizeof(name)),
			  heads[i].name ? 0 : -EINVAL);
		if (heads[i].name)
			CHECK_STR(name, heads[i].name);
	}
	/* A head that is not known is none of the list's. */
	CHECK_INT(condition_log("\"0:\", \"1:\"", "", name, sizeof(name)), 0);
	CHECK_STR(name, "events/app@1:");
	return 0;
}
