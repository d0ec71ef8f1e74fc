/* Its create gives nothing. */
#include <eventfold/reducer.h>
#include <stdlib.h>

static void *create(void)
{
	return NULL;
}

static int fold(void *state, const struct eventfold_event *event)
{
	return EVENTFOLD_SAME;
}

static int write_json(const void *state, struct eventfold_writer *out)
{
	return 0;
}

static void *read_json(struct eventfold_slice json)
{
	return NULL;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = create,
    .fold = fold,
    .write_json = write_json,
    .read_json = read_json,
    .destroy = free,
};
