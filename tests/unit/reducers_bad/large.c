/* A state of 3 MB, which is written by a child. Nothing is wrong with it. */
#include <eventfold/reducer.h>
#include <stdlib.h>
#include <string.h>

static void *create(void)
{
	return calloc(1, sizeof(uint64_t));
}

static int fold(void *state, const struct eventfold_event *ev)
{
	*(uint64_t *)state = ev->seq;
	return EVENTFOLD_CHANGED;
}

static int write_json(const void *state, struct eventfold_writer *out)
{
	eventfold_write_text(out, "[\"");
	for (int i = 0; i < 30000; i++)
		eventfold_write_text(out,
				     "0123456789012345678901234567890123456789012345678901234567890123456789"
				     "012345678901234567890123456789");
	eventfold_write_text(out, "\",");
	eventfold_write_uint64(out, *(const uint64_t *)state);
	eventfold_write_text(out, "]");
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
