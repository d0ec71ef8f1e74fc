#include "base/when.h"

#include <time.h>

#include "check.h"

#define NOW 1800000000

static const struct {
	const char *text;
	int64_t time; /* where it is CET */
} good[] = {
    {"now", NOW},
    {"-0s", NOW},
    {"-90s", NOW - 90},
    {"-15m", NOW - 900},
    {"-1h", NOW - 3600},
    {"-007d", NOW - 7 * 86400},
    {"-99999999999s", -1},
    {"2026-11-26", 1795647600},
    {"2026-11-26T00:00", 1795647600},
    {"2026-11-26T10:00", 1795683600},
    {"2026-11-26T10:00:07", 1795683607},
    {"2026-11-26T10:00Z", 1795687200},
    {"2026-11-26T10:00:00Z", 1795687200},
    {"2026-11-26T10:00+01:00", 1795683600},
    {"2026-11-26T10:00:00-09:30", 1795721400},
    {"2026-07-01T12:00", 1782900000},
    {"2024-02-29T00:00Z", 1709164800},
    {"1970-01-01T00:00Z", 0},
    {"1969-12-31T23:59:59Z", -1},
    {"0001-01-01", -1},
    {"9999-12-31T23:59:59Z", 253402300799},
    /* The hour that is skipped, before and behind it: 01:59:59 and 03:00 are a second apart. */
    {"2026-03-29T01:59:59", 1774745999},
    {"2026-03-29T03:00", 1774746000},
};

static const char *const bad[] = {
    "",
    "-",
    "-s",
    "-1",
    "-1w",
    "-1hh",
    "--1h",
    "-1.5h",
    "+1h",
    "- 1h",
    "-9223372036854775808s",
    "-9223372036854775807d",
    "NOW",
    "now ",
    "today",
    "2026",
    "2026-11",
    "2026-11-",
    "2026-1-26",
    "2026-13-01",
    "2026-00-01",
    "2026-11-31",
    "2025-02-29",
    "0000-01-01",
    "2026-11-26T",
    "2026-11-26T10",
    "2026-11-26T24:00",
    "2026-11-26T10:60",
    "2026-11-26T10:00:60",
    "2026-11-26T10:00:0",
    "2026-11-26T10:00:00.5",
    "2026-11-26T10:00z",
    "2026-11-26 10:00",
    "2026-11-26T10:00+1:00",
    "2026-11-26T10:00+0100",
    "2026-11-26T10:00+24:00",
    "2026-11-26T10:00ZZ",
    "2026-11-26Z",
    "20261126",
    " 2026-11-26",
};

int main(void)
{
	uint64_t after;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		CHECK(when_parse(good[i].text, NOW, &after));
		CHECK_INT(after, good[i].time < 0 ? 0 : good[i].time + 1);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (when_parse(bad[i], NOW, &after))
			fprintf(stderr, "%s\n", bad[i]);
		CHECK(!when_parse(bad[i], NOW, &after));
	}
	/* Whatever the skipped hour becomes, the order stays. */
	uint64_t before, behind;
	CHECK(when_parse("2026-03-29T01:30", NOW, &before) && when_parse("2026-03-29T02:30", NOW, &after) &&
	      when_parse("2026-03-29T03:30", NOW, &behind));
	CHECK(before <= after && after <= behind);
	return 0;
}
