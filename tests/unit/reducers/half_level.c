/* The full level, but it has forgotten read_json. */
#include <eventfold/reducer.h>
#include <stdlib.h>

static void *create(void)
{
	return malloc(1);
}

static int fold(void *state, const struct eventfold_event *event)
{
	return EVENTFOLD_SAME;
}

static int write_json(const void *state, struct eventfold_writer *out)
{
	return 0;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI, .create = create, .fold = fold, .write_json = write_json, .destroy = free};
