#include "model/event/event_time.h"

#include "base/limits.h"
#include "model/event/event.h"

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static bool number(const char *at, const char *end, uint64_t *ret)
{
	return end > at && json_to_uint64((struct slice){at, (size_t)(end - at)}, ret);
}

/* The `ts` where it is the last member, as in the lines that this program has put it into, or the first one.
 * If the line is an event, this is its ts: a quote behind a comma or a brace begins a key, unless it is in a
 * string, and there it would have a backslash before it. */
static bool quick_ts(struct slice line, uint64_t *ret)
{
	static const char last[] = ",\"ts\":", first[] = "{\"ts\":";
	const size_t len = sizeof(last) - 1;
	const char *begin = line.data, *end = slice_end(line);

	if (line.len < len + 2 || end[-1] != '}')
		return false;
	const char *digits = end - 1;
	while (digits > begin && is_digit(digits[-1]))
		digits--;
	if (digits < end - 1 && (size_t)(digits - begin) >= len && memcmp(digits - len, last, len) == 0)
		return number(digits, end - 1, ret);
	if (memcmp(begin, first, len) != 0)
		return false;
	for (digits = begin + len; is_digit(*digits);)
		digits++; /* no further than the brace */
	return (*digits == ',' || *digits == '}') && number(begin + len, digits, ret);
}

bool event_time(struct slice line, uint64_t least, uint64_t *ret)
{
	struct event ev = {0};
	struct json_error error;

	if (quick_ts(line, ret) && (*ret < least || *ret > LIMIT_TS))
		return false;
	bool good = event_scan(&ev, line, &error) && ev.has & EVENT_HAS_TS;
	*ret = ev.pub.ts;
	event_deinit(&ev);
	return good && *ret >= least && *ret <= LIMIT_TS;
}
