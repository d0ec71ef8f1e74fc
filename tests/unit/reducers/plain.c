/* The plain level: {"events":N,"last":type}, and what can go wrong in it. */
#include <eventfold/reducer.h>

static int set(cJSON **state, cJSON *now)
{
	cJSON_Delete(*state);
	*state = now;
	return EVENTFOLD_CHANGED;
}

static int reduce(cJSON **state, const struct eventfold_event *event)
{
	char type[32] = "";

	if (eventfold_is(event->type, "skip"))
		return EVENTFOLD_SAME;
	if (eventfold_is(event->type, "null"))
		return set(state, cJSON_CreateNull());
	if (eventfold_is(event->type, "none"))
		return set(state, NULL);
	if (eventfold_is(event->type, "number"))
		return set(state, cJSON_CreateNumber(0.1));
	if (eventfold_is(event->type, "raw"))
		return set(state, cJSON_CreateRaw("[1,\n2]"));
	if (eventfold_is(event->type, "bytes"))
		return set(state, cJSON_CreateString("a\xff"));
	if (eventfold_is(event->type, "infinite"))
		return set(state, cJSON_CreateNumber(__builtin_inf()));
	if (eventfold_is(event->type, "is none"))
		return *state ? eventfold_fail(event, "there is a state at event %d", (int)event->seq)
			      : EVENTFOLD_SAME;
	if (eventfold_is(event->type, "errno"))
		return -12;
	if (eventfold_is(event->type, "odd"))
		return -100000;
	if (!*state)
		*state = cJSON_CreateObject();
	cJSON *events = cJSON_GetObjectItem(*state, "events");
	if (!events)
		events = cJSON_AddNumberToObject(*state, "events", 0);
	cJSON_SetNumberValue(events, events->valuedouble + 1);
	cJSON_DeleteItemFromObject(*state, "last");
	__builtin_memcpy(type, event->type.data, event->type.len < 31 ? event->type.len : 31);
	cJSON_AddStringToObject(*state, "last", type);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_REDUCER = {.abi = EVENTFOLD_ABI, .reduce = reduce};
