#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/names.h"
#include "model/views/board_impl.h"

void board_init(struct board *b, const struct board_options *options)
{
	*b = (struct board){.options = *options};
	pthread_mutex_init(&b->lock, NULL);
}

/* Under the lock, or at the end. The view if that was the last reference: to be freed, not under the lock. */
static struct board_view *unref(struct board_view *v)
{
	return --v->refs == 0 ? v : NULL;
}

static void view_free(struct board_view *v)
{
	if (!v)
		return;
	definition_unref(v->def);
	rendering_unref(v->rendering);
	worker_handle_unref(v->source.worker);
	free(v);
}

void board_deinit(struct board *b)
{
	for (size_t i = 0; i < b->n_views; i++)
		view_free(unref(b->views[i]));
	free(b->views);
	free(b->removed);
	pthread_mutex_destroy(&b->lock);
}

static const char *name_at(const void *table, size_t i)
{
	return ((struct board_view *const *)table)[i]->name;
}

static size_t place_of(struct board *b, const char *name, bool *ret_found)
{
	return names_find(b->views, b->n_views, name_at, name, ret_found);
}

struct board_view *board_find(struct board *b, const char *name)
{
	bool found;
	size_t place = place_of(b, name, &found);

	return found ? b->views[place] : NULL;
}

void board_leave(struct board *b)
{
	bool wake = b->finished;

	pthread_mutex_unlock(&b->lock);
	if (wake)
		b->options.wake(b->options.wake_arg);
}

static bool is_finished(const struct board *b, const struct waiter *waiter)
{
	for (const struct waiter *w = b->finished; w; w = w->next)
		if (w == waiter)
			return true;
	return false;
}

static bool waits_soundly(const struct board *b, const struct board_view *v)
{
	for (const struct waiter *w = v->waiters; w; w = w->next)
		if (b->stopping || v->post.trouble != BOARD_FINE || view_has(v, w) || is_finished(b, w) ||
		    (w->asked && !v->source.worker))
			return false;
	return true;
}

static bool is_sound(const struct board *b, size_t i)
{
	const struct board_view *v = b->views[i];

	for (size_t j = 0; j < i; j++)
		if (strcmp(b->views[j]->name, v->name) >= 0 || b->views[j]->id == v->id)
			return false;
	if (v->id == 0 || v->id > b->last_id || v->dates.changed_before > v->dates.changed)
		return false;
	if (v->rendering && v->rendering->version > v->version)
		return false;
	return waits_soundly(b, v);
}

bool board_is_sound(struct board *b)
{
	bool sound = true;

	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n_views && sound; i++)
		sound = is_sound(b, i);
	pthread_mutex_unlock(&b->lock);
	return sound;
}

/* A reducer that is there at the start has been what it is since its file was written, and its state since
 * some event that is in the log. What comes later comes now. */
static void date(const struct board *b, struct board_view *v)
{
	uint64_t now = clock_unix_ns();

	v->dates.open = !b->started;
	v->dates.old_until = b->started ? 0 : b->options.start_head;
	v->dates.old_changed = b->options.log_changed;
	v->dates.defined = b->started ? now : min(now, clock_to_ns(v->def->target.mtime));
	view_touch(v);
}

/* Under the lock: another life. Who waits goes on waiting. */
static void begin(struct board *b, struct board_view *v, bool from_start)
{
	view_lose(b, v);
	rendering_unref(take_ptr(v->rendering));
	v->rendering_pos = v->pos = (struct log_pos){0};
	v->id = ++b->last_id;
	b->lives++;
	v->taken = false;
	v->found = !b->started;
	v->from_start = from_start;
	v->version++;
	v->rate = v->state_bytes = v->saved_off = 0;
	v->holes = (struct holes){0};
	v->post = (struct board_post){.apart = b->started};
	v->news = true;
	date(b, v);
	if (!v->def->why.text[0])
		return;
	v->post = (struct board_post){.trouble = BOARD_BROKEN, .why = v->def->why};
	v->dates.changed = v->dates.changed_before = v->dates.defined;
	view_fail(b, v, -EIO);
}

static int insert(struct board *b, const char *name, struct definition *def)
{
	bool found;

	if (!list_room(b->views, b->n_views, b->cap_views, 16))
		return -ENOMEM;
	struct board_view *v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->refs = 1;
	v->def = def;
	snprintf(v->name, sizeof(v->name), "%s", name);
	size_t place = place_of(b, name, &found);
	memmove(b->views + place + 1, b->views + place, (b->n_views - place) * sizeof(struct board_view *));
	b->views[place] = v;
	b->n_views++;
	begin(b, v, false);
	return 0;
}

static bool is_same_definition(const struct definition *a, const struct definition *b)
{
	return a->kind == b->kind && a->identity == b->identity && strcmp(a->why.text, b->why.text) == 0;
}

int board_put(struct board *b, const char *name, struct definition *def)
{
	struct definition *unused = NULL;
	int r = 0;

	pthread_mutex_lock(&b->lock);
	struct board_view *v = board_find(b, name);
	if (!v) {
		r = insert(b, name, def);
		if (r < 0)
			unused = def;
	} else {
		bool same = is_same_definition(v->def, def);
		unused = v->def;
		v->def = def; /* also of the same the new one knows the file's dates */
		if (!same)
			begin(b, v, false);
	}
	pthread_mutex_unlock(&b->lock);
	definition_unref(unused); /* frees as much as a file: not under the lock */
	b->options.wake(b->options.wake_arg);
	return r;
}

static void note_removed(struct board *b, const char *name)
{
	if (list_room(b->removed, b->n_removed, b->cap_removed, 8))
		memcpy(b->removed[b->n_removed++], name, LIMIT_NAME + 1);
}

void board_remove(struct board *b, const char *name)
{
	struct board_view *last = NULL;
	bool found;

	pthread_mutex_lock(&b->lock);
	size_t place = place_of(b, name, &found);
	if (found) {
		struct board_view *v = b->views[place];
		b->n_views--;
		memmove(b->views + place, b->views + place + 1,
			(b->n_views - place) * sizeof(struct board_view *));
		b->lives++;
		v->id = 0;
		view_lose(b, v);
		view_fail(b, v, -ENOENT);
		note_removed(b, v->name);
		last = unref(v);
	}
	pthread_mutex_unlock(&b->lock);
	view_free(last);
	if (found)
		b->options.wake(b->options.wake_arg);
}

int board_renew(struct board *b, const char *name)
{
	bool any = !name;

	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n_views; i++) {
		if (name && strcmp(b->views[i]->name, name) != 0)
			continue;
		any = true;
		begin(b, b->views[i], true);
	}
	pthread_mutex_unlock(&b->lock);
	b->options.wake(b->options.wake_arg);
	return any ? 0 : -ENOENT;
}

bool board_keeps(struct board *b, const char *name, uint64_t *ret_off)
{
	pthread_mutex_lock(&b->lock);
	struct board_view *v = board_find(b, name);
	bool kept = v && v->post.trouble != BOARD_BROKEN;
	if (kept)
		*ret_off = max(v->post.snapshot_off, v->saved_off);
	pthread_mutex_unlock(&b->lock);
	return kept;
}

void board_saved(struct board *b, const char *name, uint32_t id, uint64_t off)
{
	pthread_mutex_lock(&b->lock);
	struct board_view *v = board_find(b, name);
	if (v && board_has(v, id))
		v->saved_off = max(v->saved_off, off);
	pthread_mutex_unlock(&b->lock);
}

int board_definition(struct board *b, const char *name, struct definition **ret)
{
	pthread_mutex_lock(&b->lock);
	struct board_view *v = board_find(b, name);
	if (v)
		*ret = definition_ref(v->def);
	pthread_mutex_unlock(&b->lock);
	return v ? 0 : -ENOENT;
}

void board_start(struct board *b)
{
	pthread_mutex_lock(&b->lock);
	b->started = true;
	pthread_mutex_unlock(&b->lock);
}

uint64_t board_lives(struct board *b)
{
	pthread_mutex_lock(&b->lock);
	uint64_t lives = b->lives;
	pthread_mutex_unlock(&b->lock);
	return lives;
}

bool board_next_life(struct board *b, struct board_life *ret)
{
	bool any = false;

	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->n_views && !any; i++) {
		struct board_view *v = b->views[i];
		if (v->taken)
			continue;
		any = v->taken = true;
		v->refs++;
		*ret = (struct board_life){
		    .view = v,
		    .id = v->id,
		    .def = definition_ref(v->def),
		    .found = v->found,
		    .from_start = v->from_start,
		};
	}
	pthread_mutex_unlock(&b->lock);
	return any;
}

void board_drop(struct board *b, struct board_view *view)
{
	if (!view)
		return;
	pthread_mutex_lock(&b->lock);
	struct board_view *last = unref(view);
	pthread_mutex_unlock(&b->lock);
	view_free(last);
}

void board_give_back(struct board *b, struct board_life *life)
{
	pthread_mutex_lock(&b->lock);
	if (board_has(life->view, life->id))
		life->view->taken = false;
	struct board_view *last = unref(take_ptr(life->view));
	pthread_mutex_unlock(&b->lock);
	view_free(last);
	definition_unref(take_ptr(life->def));
}

bool board_is_over(struct board *b, const struct board_view *view, uint32_t id)
{
	pthread_mutex_lock(&b->lock);
	bool over = !board_has(view, id);
	pthread_mutex_unlock(&b->lock);
	return over;
}

const char *board_name(const struct board_view *view)
{
	return view->name;
}

bool board_next_change(struct board *b, char *ret_name)
{
	bool any = false;

	pthread_mutex_lock(&b->lock);
	if (b->n_removed > 0) {
		memcpy(ret_name, b->removed[--b->n_removed], LIMIT_NAME + 1);
		any = true;
	}
	for (size_t i = 0; i < b->n_views && !any; i++) {
		struct board_view *v = b->views[i];
		if (!v->news && v->told_version == v->version)
			continue;
		v->news = false;
		v->told_version = v->version;
		memcpy(ret_name, v->name, LIMIT_NAME + 1);
		any = true;
	}
	pthread_mutex_unlock(&b->lock);
	return any;
}
