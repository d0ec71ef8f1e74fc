/* Ranges of a file of 100 bytes, and of others, as a table. */
#include "check.h"

#include "web/range.h"

static const struct {
	const char *header;
	uint64_t size;
	enum range_kind kind;
	uint64_t from, len;
} rows[] = {
    {NULL, 100, RANGE_WHOLE, 0, 100},
    {"", 100, RANGE_WHOLE, 0, 100},
    {"bytes=0-", 100, RANGE_PART, 0, 100},
    {"bytes=0-0", 100, RANGE_PART, 0, 1},
    {"bytes=10-19", 100, RANGE_PART, 10, 10},
    {"bytes=99-", 100, RANGE_PART, 99, 1},
    {"bytes=99-99", 100, RANGE_PART, 99, 1},
    {"bytes=0-99", 100, RANGE_PART, 0, 100},
    {"bytes=0-100", 100, RANGE_PART, 0, 100},
    {"bytes=50-18446744073709551615", 100, RANGE_PART, 50, 50},
    {"bytes=50-99999999999999999999999999", 100, RANGE_PART, 50, 50},
    {"bytes=-1", 100, RANGE_PART, 99, 1},
    {"bytes=-100", 100, RANGE_PART, 0, 100},
    {"bytes=-1000", 100, RANGE_PART, 0, 100},
    {"bytes=-99999999999999999999999999", 100, RANGE_PART, 0, 100},
    {"bytes=100-", 100, RANGE_NONE, 0, 0},
    {"bytes=100-200", 100, RANGE_NONE, 0, 0},
    {"bytes=18446744073709551615-", 100, RANGE_NONE, 0, 0},
    {"bytes=-0", 100, RANGE_NONE, 0, 0},
    {"bytes=0-", 0, RANGE_NONE, 0, 0},
    {"bytes=0-0", 0, RANGE_NONE, 0, 0},
    {"bytes=-5", 0, RANGE_NONE, 0, 0},
    /* Not understood, so not heeded. */
    {"bytes=20-10", 100, RANGE_WHOLE, 0, 100},
    {"bytes=-", 100, RANGE_WHOLE, 0, 100},
    {"bytes=", 100, RANGE_WHOLE, 0, 100},
    {"bytes=5", 100, RANGE_WHOLE, 0, 100},
    {"bytes=0-1,5-6", 100, RANGE_WHOLE, 0, 100},
    {"bytes=0-1 ", 100, RANGE_WHOLE, 0, 100},
    {"bytes= 0-1", 100, RANGE_WHOLE, 0, 100},
    {"bytes=+1-2", 100, RANGE_WHOLE, 0, 100},
    {"bytes=--1", 100, RANGE_WHOLE, 0, 100},
    {"bytes=0x1-2", 100, RANGE_WHOLE, 0, 100},
    {"bytes 0-1", 100, RANGE_WHOLE, 0, 100},
    {"lines=0-1", 100, RANGE_WHOLE, 0, 100},
    {"bytes=0-", UINT64_MAX, RANGE_PART, 0, UINT64_MAX},
    {"bytes=-18446744073709551615", UINT64_MAX, RANGE_PART, 0, UINT64_MAX},
};

int main(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct range range;

		fprintf(stderr, "%s\n", rows[i].header ? rows[i].header : "none");
		CHECK_INT(range_parse(&range, rows[i].header, rows[i].size), rows[i].kind);
		if (rows[i].kind == RANGE_NONE)
			continue;
		CHECK(range.from == rows[i].from && range.len == rows[i].len);
	}
	return 0;
}
