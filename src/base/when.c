#include "base/when.h"

#include <string.h>
#include <time.h>

static bool take(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

/* So many digits. */
static bool take_number(const char **at, int digits, int least, int most, int *ret)
{
	int value = 0;

	for (; digits > 0; digits--, ++*at) {
		if (**at < '0' || **at > '9')
			return false;
		value = 10 * value + (**at - '0');
	}
	*ret = value;
	return value >= least && value <= most;
}

/* THH:MM or THH:MM:SS */
static bool take_clock(const char **at, struct tm *tm)
{
	if (!take(at, 'T') || !take_number(at, 2, 0, 23, &tm->tm_hour) || !take(at, ':') ||
	    !take_number(at, 2, 0, 59, &tm->tm_min))
		return false;
	return !take(at, ':') || take_number(at, 2, 0, 59, &tm->tm_sec);
}

/* Z, +01:00: in seconds east. */
static bool take_offset(const char **at, int *ret)
{
	int hours, minutes, sign = **at == '-' ? -1 : 1;

	*ret = 0;
	if (take(at, 'Z'))
		return true;
	if (!(take(at, '+') || take(at, '-')) || !take_number(at, 2, 0, 23, &hours) || !take(at, ':') ||
	    !take_number(at, 2, 0, 59, &minutes))
		return false;
	*ret = sign * (3600 * hours + 60 * minutes);
	return true;
}

static bool parse_date(const char *at, int64_t *ret)
{
	struct tm tm = {.tm_isdst = -1};
	int offset;

	if (!take_number(&at, 4, 1, 9999, &tm.tm_year) || !take(&at, '-') ||
	    !take_number(&at, 2, 1, 12, &tm.tm_mon) || !take(&at, '-') ||
	    !take_number(&at, 2, 1, 31, &tm.tm_mday))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	struct tm day = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday};
	timegm(&day);
	if (day.tm_mday != tm.tm_mday) /* no month has that many */
		return false;
	if (*at && !take_clock(&at, &tm))
		return false;
	if (!*at) {
		*ret = mktime(&tm);
		return true;
	}
	if (!take_offset(&at, &offset) || *at)
		return false;
	*ret = timegm(&tm) - offset;
	return true;
}

/* -90s */
static bool parse_ago(const char *at, uint64_t now, int64_t *ret)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	int64_t n = 0;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
			return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (*at == units[i].unit && !at[1])
			return !__builtin_mul_overflow(n, units[i].seconds, &n) &&
			       !__builtin_sub_overflow((int64_t)now, n, ret);
	return false;
}

bool when_parse(const char *text, uint64_t now, uint64_t *ret_after)
{
	int64_t time = (int64_t)now;

	if (*text == '-') {
		if (!parse_ago(text + 1, now, &time))
			return false;
	} else if (strcmp(text, "now") != 0 && !parse_date(text, &time)) {
		return false;
	}
	*ret_after = time < 0 ? 0 : (uint64_t)time + 1;
	return true;
}
