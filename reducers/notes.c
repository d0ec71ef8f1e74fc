/* notes: every note_added with its text (data.text, a string) and its tags (the strings of
 * data.tags, if that is an array), in the order of their coming.
 *
 *     {"notes":[{"id":0,"text":"…","tags":["…",…]},…],"next_id":1} */
#include <eventfold/reducer.h>
#include <errno.h>
#include <stdlib.h>

/* One piece of memory: the bytes of all strings come behind them. */
struct note {
	size_t n_tags;
	struct eventfold_slice text;
	struct eventfold_slice tags[];
};

struct notes {
	struct note **notes; /* a note's id is its place */
	size_t n, room;
};

static void *notes_create(void)
{
	return calloc(1, sizeof(struct notes));
}

static void notes_destroy(void *state)
{
	struct notes *s = state;

	for (size_t i = 0; i < s->n; i++)
		free(s->notes[i]);
	free(s->notes);
	free(s);
}

/* The next string among the elements of a raw array, itself raw; false at the end. */
static bool notes_next_string(struct eventfold_iter *it, struct eventfold_slice *ret)
{
	struct eventfold_slice none;

	while (eventfold_next(it, &none, ret)) {
		if (ret->data[0] == '"')
			return true;
	}
	return false;
}

static struct eventfold_slice notes_decode(struct eventfold_slice raw, char **at)
{
	struct eventfold_slice string = {*at, (size_t)eventfold_decode(raw, *at)};

	*at += string.len;
	return string;
}

/* Both are raw: a string, and an array (or "" where there is none). 0 or -ENOMEM. */
static int notes_add(struct notes *s, struct eventfold_slice text, struct eventfold_slice tags)
{
	struct eventfold_iter it = eventfold_iterate(tags);
	struct eventfold_slice tag;
	struct note *note;
	size_t n_tags = 0, len = text.len;
	char *at;

	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct note **notes = realloc(s->notes, room * sizeof(*notes));

		if (!notes)
			return -ENOMEM;
		s->notes = notes;
		s->room = room;
	}
	for (; notes_next_string(&it, &tag); n_tags++)
		len += tag.len;
	note = malloc(sizeof(*note) + n_tags * sizeof(*note->tags) + len);
	if (!note)
		return -ENOMEM;

	at = (char *)&note->tags[n_tags];
	note->text = notes_decode(text, &at);
	note->n_tags = 0;
	it = eventfold_iterate(tags);
	while (notes_next_string(&it, &tag))
		note->tags[note->n_tags++] = notes_decode(tag, &at);
	s->notes[s->n++] = note;
	return 0;
}

static int notes_fold(void *state, const struct eventfold_event *ev)
{
	struct eventfold_slice text, tags = {"", 0};
	int r;

	if (!eventfold_is(ev->type, "note_added") || !eventfold_get_raw(ev, "/data/text", &text) ||
	    text.data[0] != '"')
		return EVENTFOLD_SAME;
	if (eventfold_get_raw(ev, "/data/tags", &tags) && tags.data[0] != '[')
		tags.len = 0;
	r = notes_add(state, text, tags);
	return r < 0 ? r : EVENTFOLD_CHANGED;
}

static int notes_write(const void *state, struct eventfold_writer *out)
{
	const struct notes *s = state;

	eventfold_write_text(out, "{\"notes\":[");
	for (size_t i = 0; i < s->n; i++) {
		const struct note *note = s->notes[i];

		eventfold_write_text(out, i ? ",{\"id\":" : "{\"id\":");
		eventfold_write_uint64(out, i);
		eventfold_write_text(out, ",\"text\":");
		eventfold_write_string(out, note->text);
		eventfold_write_text(out, ",\"tags\":[");
		for (size_t j = 0; j < note->n_tags; j++) {
			if (j)
				eventfold_write_text(out, ",");
			eventfold_write_string(out, note->tags[j]);
		}
		eventfold_write_text(out, "]}");
	}
	eventfold_write_text(out, "],\"next_id\":");
	eventfold_write_uint64(out, s->n);
	eventfold_write_text(out, "}");
	return 0;
}

static bool notes_read_one(struct notes *s, struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, value, text = {"", 0}, tags = {"", 0};
	int64_t id = -1;

	while (eventfold_next(&it, &key, &value)) {
		if (eventfold_is(key, "id") && !eventfold_to_int64(value, &id))
			return false;
		if (eventfold_is(key, "text"))
			text = value;
		if (eventfold_is(key, "tags"))
			tags = value;
	}
	if (id < 0 || (uint64_t)id != s->n || !text.len || text.data[0] != '"' || !tags.len ||
	    tags.data[0] != '[')
		return false;
	return notes_add(s, text, tags) == 0;
}

static bool notes_read_all(struct notes *s, struct eventfold_slice json)
{
	struct eventfold_iter top = eventfold_iterate(json), notes;
	struct eventfold_slice key, value, none, note;
	int64_t next_id = -1;

	while (eventfold_next(&top, &key, &value)) {
		if (eventfold_is(key, "notes")) {
			notes = eventfold_iterate(value);
			while (eventfold_next(&notes, &none, &note)) {
				if (!notes_read_one(s, note))
					return false;
			}
		} else if (eventfold_is(key, "next_id")) {
			if (!eventfold_to_int64(value, &next_id))
				return false;
		}
	}
	return next_id >= 0 && (uint64_t)next_id == s->n;
}

static void *notes_read(struct eventfold_slice json)
{
	struct notes *s = notes_create();

	if (s && !notes_read_all(s, json)) {
		notes_destroy(s);
		return NULL;
	}
	return s;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = notes_create,
    .fold = notes_fold,
    .write_json = notes_write,
    .read_json = notes_read,
    .destroy = notes_destroy,
};
