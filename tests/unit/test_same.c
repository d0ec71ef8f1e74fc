#include "model/event/same.h"

#include "base/defs.h"

#include "check.h"

/* Same or not, both ways round. */
static void check(int want, const char *a, const char *b)
{
	CHECK_INT(same_but_ts(slice_of(a), slice_of(b)), want);
	CHECK_INT(same_but_ts(slice_of(b), slice_of(a)), want);
}

int main(void)
{
	static const struct {
		int want;
		const char *a, *b;
	} table[] = {
	    {1, "{\"type\":\"x\",\"ts\":1}", "{\"type\":\"x\",\"ts\":2}"},
	    {1, "{\"type\":\"x\"}", "{\"type\":\"x\",\"ts\":2}"},
	    {1, "{\"type\":\"x\",\"\\u0074s\":3}", "{\"ts\":2,\"type\":\"x\"}"},
	    {1, "{ \"type\" : \"x\" }", "{\"type\":\"x\"}"},
	    {0, "{\"type\":\"x\"}", "{\"type\":\"y\"}"},
	    {0, "{\"type\":\"x\"}", "{\"type\":\"x\",\"data\":null}"},
	    /* keys in any order, at any depth, decoded */
	    {1, "{\"a\":{\"b\":1,\"c\":[1, 2]}}", "{\"a\":{\"c\":[1,2],\"b\":1}}"},
	    {1, "{\"\\u0061\":1,\"b\":2}", "{\"b\":2,\"a\":1}"},
	    {0, "{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}"},
	    {0, "{\"a\":1}", "{\"a\":1,\"b\":1}"},
	    {0, "{\"a\":{}}", "{\"a\":[]}"},
	    {0, "{\"a\":{\"x\":1}}", "{\"a\":{\"y\":1}}"},
	    /* only the event's own time does not count */
	    {0, "{\"a\":{\"ts\":1}}", "{\"a\":{\"ts\":2}}"},
	    /* arrays in their order */
	    {1, "{\"a\":[ 1 , \"x\" ]}", "{\"a\":[1,\"x\"]}"},
	    {0, "{\"a\":[1,2]}", "{\"a\":[2,1]}"},
	    {0, "{\"a\":[1,2]}", "{\"a\":[1]}"},
	    {0, "{\"a\":[]}", "{\"a\":[1]}"},
	    {1, "{\"a\":[[],{}]}", "{\"a\":[ [ ], { } ]}"},
	    /* strings decoded */
	    {1, "{\"a\":\"\\u00e4\\ud83d\\ude00/\"}", "{\"a\":\"ä😀\\/\"}"},
	    {0, "{\"a\":\"x\"}", "{\"a\":\"xy\"}"},
	    {0, "{\"a\":\"\"}", "{\"a\":\"x\"}"},
	    {1, "{\"a\":\"\\n\"}", "{\"a\":\"\\u000a\"}"},
	    /* numbers as they are written */
	    {0, "{\"a\":1}", "{\"a\":1.0}"},
	    {0, "{\"a\":100}", "{\"a\":1e2}"},
	    {1, "{\"a\":-0.10}", "{\"a\": -0.10 }"},
	    {0, "{\"a\":1}", "{\"a\":\"1\"}"},
	    {0, "{\"a\":true}", "{\"a\":null}"},
	    {0, "{\"a\":true}", "{\"a\":false}"},
	    /* of members of one name, the order counts */
	    {1, "{\"a\":1,\"b\":0,\"a\":2}", "{\"a\":1,\"a\":2,\"b\":0}"},
	    {0, "{\"a\":1,\"a\":2}", "{\"a\":2,\"a\":1}"},
	    {0, "{\"a\":1,\"a\":1}", "{\"a\":1}"},
	};

	for (size_t i = 0; i < countof(table); i++)
		check(table[i].want, table[i].a, table[i].b);
	return 0;
}
