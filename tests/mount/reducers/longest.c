/* Built outside of the tree with nothing but what is installed: the full level, with a state of its own.
 * Keeps the longest data.text and how often each length was seen as the longest. */
#include <eventfold/reducer.h>
#include <stdlib.h>
#include <string.h>

struct longest {
	char *text;
	size_t len;
	int64_t times;
};

static void *create(void)
{
	return calloc(1, sizeof(struct longest));
}

static int fold(void *state, const struct eventfold_event *event)
{
	struct longest *l = state;
	struct eventfold_slice text;
	char *copy;

	if (!eventfold_is(event->type, "said") || !eventfold_get_string(event, "/data/text", &text) ||
	    text.len < l->len)
		return EVENTFOLD_SAME;
	copy = malloc(text.len + 1);
	if (!copy)
		return eventfold_fail(event, "no memory");
	memcpy(copy, text.data, text.len);
	free(l->text);
	l->text = copy;
	l->len = text.len;
	l->times++;
	return EVENTFOLD_CHANGED;
}

static int write_json(const void *state, struct eventfold_writer *out)
{
	const struct longest *l = state;

	eventfold_write_text(out, "{\"text\":");
	eventfold_write_string(out, (struct eventfold_slice){l->text ? l->text : "", l->len});
	eventfold_write_text(out, ",\"times\":");
	eventfold_write_int64(out, l->times);
	eventfold_write_text(out, "}");
	return 0;
}

static void destroy(void *state)
{
	struct longest *l = state;

	free(l->text);
	free(l);
}

static void *read_json(struct eventfold_slice json)
{
	struct longest *l = create();
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, value;
	long len;

	while (l && eventfold_next(&it, &key, &value)) {
		if (eventfold_is(key, "times") && !eventfold_to_int64(value, &l->times))
			goto bad;
		if (!eventfold_is(key, "text"))
			continue;
		l->text = malloc(value.len + 1);
		len = l->text ? eventfold_decode(value, l->text) : -1;
		if (len < 0)
			goto bad;
		l->len = (size_t)len;
	}
	return l;
bad:
	destroy(l);
	return NULL;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = create,
    .fold = fold,
    .write_json = write_json,
    .read_json = read_json,
    .destroy = destroy,
};
