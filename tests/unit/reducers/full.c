/* The full level: the sum of all data that is an integer, exact over 64 bits. */
#include <eventfold/reducer.h>
#include <stdlib.h>

#define WRITE_DATA 99 /* this state is written as the content of a string in the last such event */
static char written[64];

static void *create(void)
{
	return calloc(1, sizeof(int64_t));
}

static int fold(void *state, const struct eventfold_event *event)
{
	int64_t *sum = state, n;

	if (eventfold_is(event->type, "fail"))
		return eventfold_fail(event, "no %s, please", "fail");
	if (eventfold_is(event->type, "write")) {
		*sum = WRITE_DATA;
		long len = eventfold_decode(event->data, written);
		written[len < 0 ? 0 : len] = '\0';
		return EVENTFOLD_CHANGED;
	}
	if (eventfold_is(event->type, "errno"))
		return -22;
	if (!eventfold_get_int64(event, "/data", &n))
		return EVENTFOLD_SAME;
	*sum += n;
	return EVENTFOLD_CHANGED;
}

static int write_json(const void *state, struct eventfold_writer *out)
{
	const int64_t *sum = state;

	if (*sum == 13)
		return -5;
	if (*sum == WRITE_DATA) {
		eventfold_write_text(out, written);
		return 0;
	}
	eventfold_write_text(out, "{\"sum\":");
	eventfold_write_int64(out, *sum);
	eventfold_write(out, "}", 1);
	return 0;
}

static void *read_json(struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, value;
	int64_t sum;

	if (!eventfold_next(&it, &key, &value) || !eventfold_is(key, "sum") ||
	    !eventfold_to_int64(value, &sum))
		return NULL;
	int64_t *state = create();
	if (state)
		*state = sum;
	return state;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = create,
    .fold = fold,
    .write_json = write_json,
    .read_json = read_json,
    .destroy = free,
};
