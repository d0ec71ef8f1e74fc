/* files: the paths that are there after every file_added and file_removed (data.path, a string),
 * sorted by their bytes.
 *
 *     {"files":["<path>",…]}
 *
 * Folding only keeps a set; the order is made when it is asked for, and kept. */
#include "table.h"
#include <errno.h>

struct files {
	struct table paths;
	bool sorted; /* paths.order is the order of the paths */
};

static int files_compare(const struct table_entry *a, const struct table_entry *b)
{
	int diff = memcmp(a->key, b->key, a->len < b->len ? a->len : b->len);

	return diff ? diff : (a->len > b->len) - (a->len < b->len);
}

static int files_compare_places(const void *a, const void *b)
{
	return files_compare(*(struct table_entry *const *)a, *(struct table_entry *const *)b);
}

static void *files_create(void)
{
	struct files *f = calloc(1, sizeof(*f));

	if (f)
		f->sorted = true;
	return f;
}

static void files_destroy(void *state)
{
	struct files *f = state;

	table_deinit(&f->paths);
	free(f);
}

static bool files_is_last_in_order(const struct files *f)
{
	size_t n = f->paths.n_order;

	return n < 2 || files_compare(f->paths.order[n - 2], f->paths.order[n - 1]) < 0;
}

static int files_fold(void *state, const struct eventfold_event *ev)
{
	struct files *f = state;
	struct eventfold_slice path;
	size_t before = f->paths.n;

	if (eventfold_is(ev->type, "file_added")) {
		if (!eventfold_get_string(ev, "/data/path", &path))
			return EVENTFOLD_SAME;
		if (!table_add(&f->paths, path))
			return -ENOMEM;
		if (f->paths.n == before)
			return EVENTFOLD_SAME;
		f->sorted = f->sorted && files_is_last_in_order(f);
		return EVENTFOLD_CHANGED;
	}
	if (eventfold_is(ev->type, "file_removed") && eventfold_get_string(ev, "/data/path", &path) &&
	    table_remove(&f->paths, path))
		return EVENTFOLD_CHANGED;
	return EVENTFOLD_SAME;
}

/* Most of it is in order since the last time: only what came later is sorted, then merged from the
 * end, where there is room. */
static int files_sort(struct files *f)
{
	struct table_entry **order = f->paths.order, **late;
	size_t n, n_late, n_sorted = 1;

	table_compact(&f->paths);
	n = f->paths.n_order;
	while (n_sorted < n && files_compare(order[n_sorted - 1], order[n_sorted]) < 0)
		n_sorted++;
	if (n_sorted < n) {
		n_late = n - n_sorted;
		late = malloc(n_late * sizeof(*late));
		if (!late)
			return -ENOMEM;
		memcpy(late, order + n_sorted, n_late * sizeof(*late));
		qsort(late, n_late, sizeof(*late), files_compare_places);
		for (size_t to = n; n_late;) {
			if (n_sorted && files_compare(order[n_sorted - 1], late[n_late - 1]) > 0)
				order[--to] = order[--n_sorted];
			else
				order[--to] = late[--n_late];
		}
		free(late);
		for (size_t i = 0; i < n; i++)
			order[i]->at = i;
	}
	f->sorted = true;
	return 0;
}

static int files_write(const void *state, struct eventfold_writer *out)
{
	/* Sorting changes how the state lies in memory, not what it is. */
	struct files *f = (struct files *)state;
	const struct table_entry *e;
	const char *between = "";

	if (!f->sorted && files_sort(f) < 0)
		return -ENOMEM;
	eventfold_write_text(out, "{\"files\":[");
	for (size_t at = 0; (e = table_next(&f->paths, &at)); between = ",") {
		eventfold_write_text(out, between);
		eventfold_write_string(out, table_key(e));
	}
	eventfold_write_text(out, "]}");
	return 0;
}

static bool files_read_paths(struct files *f, struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, path;

	if (json.data[0] != '[')
		return false;
	while (eventfold_next(&it, &key, &path)) {
		if (path.data[0] != '"' || !table_add_json(&f->paths, path))
			return false;
		f->sorted = f->sorted && files_is_last_in_order(f);
	}
	return true;
}

static void *files_read(struct eventfold_slice json)
{
	struct eventfold_iter it = eventfold_iterate(json);
	struct eventfold_slice key, paths;
	struct files *f;

	if (!eventfold_next(&it, &key, &paths) || !eventfold_is(key, "files"))
		return NULL;
	f = files_create();
	if (f && !files_read_paths(f, paths)) {
		files_destroy(f);
		return NULL;
	}
	return f;
}

EVENTFOLD_REDUCER = {
    .abi = EVENTFOLD_ABI,
    .create = files_create,
    .fold = files_fold,
    .write_json = files_write,
    .read_json = files_read,
    .destroy = files_destroy,
};
