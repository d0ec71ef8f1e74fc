/* tags: how often each tag was given to a note, in order of first appearance. A note is what the
 * notes view takes for one: a note_added whose data.text is a string; of its data.tags, an array,
 * the strings count, each as often as it is there.
 *
 *     {"counts":{"<tag>":N,…}} */
#include "table.h"
#include <errno.h>

static void *tags_create(void)
{
	return calloc(1, sizeof(struct table));
}

static void tags_destroy(void *state)
{
	table_deinit(state);
	free(state);
}

static int tags_fold(void *state, const struct eventfold_event *ev)
{
	struct eventfold_slice text, tags, key, tag;
	struct eventfold_iter it;
	int result = EVENTFOLD_SAME;

	if (!eventfold_is(ev->type, "note_added") || !eventfold_get_string(ev, "/data/text", &text))
		return EVENTFOLD_SAME;
	if (!eventfold_get_raw(ev, "/data/tags", &tags) || tags.data[0] != '[')
		return EVENTFOLD_SAME;

	it = eventfold_iterate(tags);
	while (eventfold_next(&it, &key, &tag)) {
		struct table_entry *e;

		if (tag.data[0] != '"')
			continue;
		e = table_add_json(state, tag);
		if (!e)
			return -ENOMEM;
		e->number++;
		result = EVENTFOLD_CHANGED;
	}
	return result;
}

static int tags_write(const void *state, struct eventfold_writer *out)
{
	eventfold_write_text(out, "{\"counts\":");
	table_write_numbers(state, out);
	eventfold_write_text(out, "}");
	return 0;
}

static void *tags_read(struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, counts;
	struct table *tags;

	if (!eventfold_next(&it, &key, &counts) || !eventfold_is(key, "counts"))
		return NULL;
	tags = tags_create();
	if (tags && !table_read_numbers(tags, counts)) {
		tags_destroy(tags);
		return NULL;
	}
	return tags;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = tags_create,
    .fold = tags_fold,
    .write_json = tags_write,
    .read_json = tags_read,
    .destroy = tags_destroy,
};
