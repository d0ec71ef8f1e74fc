/* count: how many events there are.
 *
 *     {"count":N} */
#include <eventfold/reducer.h>
#include <stdlib.h>

struct count {
	int64_t events;
};

static void *count_create(void)
{
	return calloc(1, sizeof(struct count));
}

static int count_fold(void *state, const struct eventfold_event *ev)
{
	struct count *c = state;

	c->events++;
	return EVENTFOLD_CHANGED;
}

static int count_write(const void *state, struct eventfold_writer *out)
{
	const struct count *c = state;

	eventfold_write_text(out, "{\"count\":");
	eventfold_write_int64(out, c->events);
	eventfold_write_text(out, "}");
	return 0;
}

static void *count_read(struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, value;
	struct count *c;
	int64_t events = -1;

	while (eventfold_next(&it, &key, &value)) {
		if (!eventfold_is(key, "count") || !eventfold_to_int64(value, &events))
			return NULL;
	}
	if (events < 0)
		return NULL;
	c = count_create();
	if (c)
		c->events = events;
	return c;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = count_create,
    .fold = count_fold,
    .write_json = count_write,
    .read_json = count_read,
    .destroy = free,
};
