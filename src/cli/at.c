#include "cli/at.h"

#include "base/clock.h"
#include "base/when.h"
#include "cli/usage.h"

bool at_parse(const char *text, struct at *ret)
{
	*ret = (struct at){0};
	if (usage_number(text, &ret->n)) /* more than can be is the end as well */
		return true;
	ret->by_time = true;
	return when_parse(text, clock_unix(), &ret->after);
}
