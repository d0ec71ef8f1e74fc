/* todos: the list of things to do. todo_added (data.text, a string) takes the next id,
 * todo_completed (data.id) sets done, todo_deleted (data.id) removes.
 *
 *     {"items":[{"id":0,"text":"…","done":false},…],"next_id":1}
 *
 * Items lie in the order of their ids, deleted ones too until half of them are, so an item is found
 * without a walk and without an index. */
#include <eventfold/reducer.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct item {
	uint64_t id;
	char *text; /* NULL: deleted */
	size_t len;
	bool done;
};

struct todos {
	struct item *items;
	size_t n, room;
	size_t deleted; /* so many of the n */
	uint64_t next_id;
};

static void *todos_create(void)
{
	return calloc(1, sizeof(struct todos));
}

static void todos_destroy(void *state)
{
	struct todos *t = state;

	for (size_t i = 0; i < t->n; i++)
		free(t->items[i].text);
	free(t->items);
	free(t);
}

/* The item, or NULL. */
static struct item *todos_find(const struct todos *t, uint64_t id)
{
	size_t low, high;
	uint64_t place, missing;

	if (!t->n || id < t->items[0].id || id > t->items[t->n - 1].id)
		return NULL;

	/* With no id missing, this is its place; it can only be as far below as ids are missing. */
	place = id - t->items[0].id;
	missing = t->items[t->n - 1].id - t->items[0].id - (t->n - 1);
	low = place > missing ? place - missing : 0;
	high = place < t->n ? place : t->n - 1;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->items[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return t->items[low].id == id && t->items[low].text ? &t->items[low] : NULL;
}

/* A new item behind the others; its text is not set. NULL: no memory. */
static struct item *todos_push(struct todos *t)
{
	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct item *items = realloc(t->items, room * sizeof(*items));

		if (!items)
			return NULL;
		t->items = items;
		t->room = room;
	}
	t->items[t->n] = (struct item){0};
	return &t->items[t->n++];
}

static int todos_add(struct todos *t, struct eventfold_slice text)
{
	char *copy = malloc(text.len + 1);
	struct item *item = copy ? todos_push(t) : NULL;

	if (!item) {
		free(copy);
		return -ENOMEM;
	}
	if (text.len)
		memcpy(copy, text.data, text.len);
	*item = (struct item){.id = t->next_id++, .text = copy, .len = text.len};
	return EVENTFOLD_CHANGED;
}

static int todos_complete(struct todos *t, uint64_t id)
{
	struct item *item = todos_find(t, id);

	if (!item || item->done)
		return EVENTFOLD_SAME;
	item->done = true;
	return EVENTFOLD_CHANGED;
}

static int todos_delete(struct todos *t, uint64_t id)
{
	struct item *item = todos_find(t, id);
	size_t n = 0;

	if (!item)
		return EVENTFOLD_SAME;
	free(item->text);
	item->text = NULL;
	t->deleted++;
	if (t->deleted > t->n / 2) {
		for (size_t i = 0; i < t->n; i++) {
			if (t->items[i].text)
				t->items[n++] = t->items[i];
		}
		t->n = n;
		t->deleted = 0;
	}
	return EVENTFOLD_CHANGED;
}

static int todos_fold(void *state, const struct eventfold_event *ev)
{
	struct eventfold_slice text;
	uint64_t id;

	if (eventfold_is(ev->type, "todo_added")) {
		if (eventfold_get_string(ev, "/data/text", &text))
			return todos_add(state, text);
	} else if (eventfold_is(ev->type, "todo_completed")) {
		if (eventfold_get_uint64(ev, "/data/id", &id))
			return todos_complete(state, id);
	} else if (eventfold_is(ev->type, "todo_deleted")) {
		if (eventfold_get_uint64(ev, "/data/id", &id))
			return todos_delete(state, id);
	}
	return EVENTFOLD_SAME;
}

static int todos_write(const void *state, struct eventfold_writer *out)
{
	const struct todos *t = state;
	const char *before = "{\"id\":";

	eventfold_write_text(out, "{\"items\":[");
	for (size_t i = 0; i < t->n; i++) {
		const struct item *item = &t->items[i];

		if (!item->text)
			continue;
		eventfold_write_text(out, before);
		eventfold_write_uint64(out, item->id);
		eventfold_write_text(out, ",\"text\":");
		eventfold_write_string(out, (struct eventfold_slice){item->text, item->len});
		eventfold_write_text(out, item->done ? ",\"done\":true}" : ",\"done\":false}");
		before = ",{\"id\":";
	}
	eventfold_write_text(out, "],\"next_id\":");
	eventfold_write_uint64(out, t->next_id);
	eventfold_write_text(out, "}");
	return 0;
}

static bool todos_read_item(struct todos *t, struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, value;
	struct item *item = todos_push(t);
	int64_t id = -1;

	if (!item)
		return false;
	while (eventfold_next(&it, &key, &value)) {
		if (eventfold_is(key, "id")) {
			if (!eventfold_to_int64(value, &id))
				return false;
		} else if (eventfold_is(key, "text")) {
			long len;

			free(item->text);
			item->text = malloc(value.len);
			len = item->text ? eventfold_decode(value, item->text) : -1;
			if (len < 0)
				return false;
			item->len = (size_t)len;
		} else if (eventfold_is(key, "done")) {
			item->done = eventfold_is(value, "true");
		}
	}
	item->id = (uint64_t)id;
	return id >= 0 && item->text && (t->n < 2 || item[-1].id < item->id);
}

static bool todos_read_all(struct todos *t, struct eventfold_slice json)
{
	struct eventfold_iter top = eventfold_iterate(json), items;
	struct eventfold_slice key, value, none, item;
	int64_t next_id = -1;

	while (eventfold_next(&top, &key, &value)) {
		if (eventfold_is(key, "items")) {
			items = eventfold_iterate(value);
			while (eventfold_next(&items, &none, &item)) {
				if (!todos_read_item(t, item))
					return false;
			}
		} else if (eventfold_is(key, "next_id")) {
			if (!eventfold_to_int64(value, &next_id))
				return false;
		}
	}
	t->next_id = (uint64_t)next_id;
	return next_id >= 0 && (!t->n || t->items[t->n - 1].id < t->next_id);
}

static void *todos_read(struct eventfold_slice json)
{
	struct todos *t = todos_create();

	if (t && !todos_read_all(t, json)) {
		todos_destroy(t);
		return NULL;
	}
	return t;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = todos_create,
    .fold = todos_fold,
    .write_json = todos_write,
    .read_json = todos_read,
    .destroy = todos_destroy,
};
