/* stats: how many todos were ever created, completed and deleted. It counts the events by their
 * type, whatever is in them.
 *
 *     {"created":N,"completed":N,"deleted":N} */
#include <eventfold/reducer.h>
#include <stdlib.h>

struct stats {
	int64_t created, completed, deleted;
};

static void *stats_create(void)
{
	return calloc(1, sizeof(struct stats));
}

static int stats_fold(void *state, const struct eventfold_event *ev)
{
	struct stats *s = state;

	if (eventfold_is(ev->type, "todo_added"))
		s->created++;
	else if (eventfold_is(ev->type, "todo_completed"))
		s->completed++;
	else if (eventfold_is(ev->type, "todo_deleted"))
		s->deleted++;
	else
		return EVENTFOLD_SAME;
	return EVENTFOLD_CHANGED;
}

static int stats_write(const void *state, struct eventfold_writer *out)
{
	const struct stats *s = state;

	eventfold_write_text(out, "{\"created\":");
	eventfold_write_int64(out, s->created);
	eventfold_write_text(out, ",\"completed\":");
	eventfold_write_int64(out, s->completed);
	eventfold_write_text(out, ",\"deleted\":");
	eventfold_write_int64(out, s->deleted);
	eventfold_write_text(out, "}");
	return 0;
}

static void *stats_read(struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, value;
	struct stats read = {-1, -1, -1}, *s;

	while (eventfold_next(&it, &key, &value)) {
		int64_t *field = eventfold_is(key, "created")     ? &read.created
				 : eventfold_is(key, "completed") ? &read.completed
				 : eventfold_is(key, "deleted")   ? &read.deleted
								  : NULL;

		if (!field || !eventfold_to_int64(value, field))
			return NULL;
	}
	if (read.created < 0 || read.completed < 0 || read.deleted < 0)
		return NULL;
	s = stats_create();
	if (s)
		*s = read;
	return s;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = stats_create,
    .fold = stats_fold,
    .write_json = stats_write,
    .read_json = stats_read,
    .destroy = free,
};
