/* types: how many events of each type there are, in order of first appearance.
 *
 *     {"<type>":N,…} */
#include "table.h"
#include <errno.h>

static void *types_create(void)
{
	return calloc(1, sizeof(struct table));
}

static void types_destroy(void *state)
{
	table_deinit(state);
	free(state);
}

static int types_fold(void *state, const struct eventfold_event *ev)
{
	struct table_entry *e = table_add(state, ev->type);

	if (!e)
		return -ENOMEM;
	e->number++;
	return EVENTFOLD_CHANGED;
}

static int types_write(const void *state, struct eventfold_writer *out)
{
	table_write_numbers(state, out);
	return 0;
}

static void *types_read(struct eventfold_slice json)
{
	struct table *types = types_create();

	if (types && !table_read_numbers(types, json)) {
		types_destroy(types);
		return NULL;
	}
	return types;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = types_create,
    .fold = types_fold,
    .write_json = types_write,
    .read_json = types_read,
    .destroy = types_destroy,
};
