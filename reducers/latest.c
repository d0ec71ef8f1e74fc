/* latest: the last data of each data.key, a string, in order of first appearance: what other logs
 * call a compacted topic.
 *
 *     {"<key>":<data>,…}
 *
 * The data is kept as it was written (numbers, escapes, order of keys), but for white space. */
#include "table.h"
#include <errno.h>

struct latest {
	struct table keys; /* text: the data; number: its length */
	char *buf;         /* for the data of the event in hand */
	size_t room;
};

static void *latest_create(void)
{
	return calloc(1, sizeof(struct latest));
}

static void latest_destroy(void *state)
{
	struct latest *l = state;

	table_deinit(&l->keys);
	free(l->buf);
	free(l);
}

/* Copies JSON text without the white space between its tokens; returns the length. */
static size_t latest_squeeze(struct eventfold_slice json, char *out)
{
	const char *at = json.data, *end = at + json.len;
	char *to = out;
	bool in_string = false;

	for (; at < end; at++) {
		if (*at == '"') {
			in_string = !in_string;
		} else if (*at == '\\') {
			*to++ = *at++; /* what it escapes ends no string */
		} else if (!in_string && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')) {
			continue;
		}
		*to++ = *at;
	}
	return (size_t)(to - out);
}

/* Sets an entry's data to text that is squeezed already. */
static int latest_set(struct table_entry *e, const char *text, size_t len)
{
	if (e->text && e->number == len && !memcmp(e->text, text, len))
		return EVENTFOLD_SAME;
	if (!e->text || e->number != len) {
		char *room = realloc(e->text, len);

		if (!room)
			return -ENOMEM;
		e->text = room;
		e->number = len;
	}
	memcpy(e->text, text, len);
	return EVENTFOLD_CHANGED;
}

static int latest_fold(void *state, const struct eventfold_event *ev)
{
	struct latest *l = state;
	struct table_entry *e;
	struct eventfold_slice key;

	if (!eventfold_get_string(ev, "/data/key", &key))
		return EVENTFOLD_SAME;
	if (ev->data.len > l->room) {
		free(l->buf);
		l->room = ev->data.len * 2;
		l->buf = malloc(l->room);
		if (!l->buf) {
			l->room = 0;
			return -ENOMEM;
		}
	}
	e = table_add(&l->keys, key);
	if (!e)
		return -ENOMEM;
	return latest_set(e, l->buf, latest_squeeze(ev->data, l->buf));
}

static int latest_write(const void *state, struct eventfold_writer *out)
{
	const struct latest *l = state;
	const struct table_entry *e;
	const char *between = "";

	eventfold_write_text(out, "{");
	for (size_t at = 0; (e = table_next(&l->keys, &at)); between = ",") {
		eventfold_write_text(out, between);
		eventfold_write_string(out, table_key(e));
		eventfold_write_text(out, ":");
		eventfold_write(out, e->text, e->number);
	}
	eventfold_write_text(out, "}");
	return 0;
}

static void *latest_read(struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, data;
	struct latest *l;

	if (!json.len || json.data[0] != '{')
		return NULL;
	l = latest_create();
	while (l && eventfold_next(&it, &key, &data)) {
		struct table_entry *e = table_add_json(&l->keys, table_quoted(key));

		if (!e || latest_set(e, data.data, data.len) < 0) {
			latest_destroy(l);
			l = NULL;
		}
	}
	return l;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = latest_create,
    .fold = latest_fold,
    .write_json = latest_write,
    .read_json = latest_read,
    .destroy = latest_destroy,
};
