/* Who has which seat, as the one in jq of test_rules.py has it. */
#include <eventfold/reducer.h>
#include <string.h>

static int reduce(cJSON **state, const struct eventfold_event *ev)
{
	const cJSON *data = eventfold_data(ev);
	const cJSON *seat = cJSON_GetObjectItemCaseSensitive(data, "seat");
	char actor[64];

	if (ev->type.len != 10 || memcmp(ev->type.data, "seat_taken", 10) != 0 || !cJSON_IsString(seat))
		return EVENTFOLD_SAME;
	if (!*state)
		*state = cJSON_CreateObject();
	size_t len = ev->actor.len < sizeof(actor) - 1 ? ev->actor.len : sizeof(actor) - 1;
	memcpy(actor, ev->actor.data, len);
	actor[len] = '\0';
	cJSON_DeleteItemFromObjectCaseSensitive(*state, seat->valuestring);
	cJSON_AddStringToObject(*state, seat->valuestring, actor);
	return EVENTFOLD_CHANGED;
}

EVENTFOLD_EXPORT const struct eventfold_reducer eventfold_reducer = {
    .abi = EVENTFOLD_ABI,
    .reduce = reduce,
};
