#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "model/views_impl.h"

#define AGAIN_MS                                                                                             \
	20 /* the first pause before what could not be had is asked for again; each is twice as long */
#define AGAIN_TRIES 7 /* so often in a row, some seconds, before those who wait are told */

void views_kick(struct views *v)
{
	ssize_t n = write(v->kick_fd, &(uint64_t){1}, sizeof(uint64_t));

	(void)n; /* can't fail but for an overflow: then it is kicked anyway */
}

void views_report(struct views *v, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	if (!v->options.report)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v->options.report(v->options.arg, text);
}

static void report(void *arg, const char *text)
{
	views_report(arg, "%s", text);
}

bool views_are_current(struct views *v, const char *name, pid_t asker)
{
	return catalog_is_current(v->catalog, name, asker);
}

void views_look(struct views *v, struct catalog_wait *w)
{
	catalog_wait(v->catalog, w);
}

bool views_look_cancel(struct views *v, struct catalog_wait *w)
{
	return catalog_cancel(v->catalog, w);
}

/* Where the name is, or would be. */
static size_t place_of(struct views *v, const char *name, bool *ret_found)
{
	size_t low = 0, high = v->n_entries;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(v->entries[middle]->name, name);
		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct entry *views_find(struct views *v, const char *name)
{
	bool found;
	size_t place = place_of(v, name, &found);

	return found ? v->entries[place] : NULL;
}

struct entry *views_find_id(struct views *v, uint32_t id)
{
	for (size_t i = 0; i < v->n_entries; i++)
		if (v->entries[i]->id == id)
			return v->entries[i];
	return NULL;
}

void views_forget(struct views *v, struct gone gone)
{
	if (v->n_gone == v->cap_gone) {
		size_t cap = v->cap_gone ? 2 * v->cap_gone : 8;
		struct gone *all = realloc(v->gone, cap * sizeof(*all));
		if (!all) { /* the worker keeps it: it costs memory, no more */
			worker_handle_unref(gone.worker);
			closep(&gone.fd);
			return;
		}
		v->gone = all;
		v->cap_gone = cap;
	}
	v->gone[v->n_gone++] = gone;
}

void entry_keep(struct views *v, struct entry *e)
{
	if (e->heir || e->handover_fd >= 0)
		views_forget(v,
			     (struct gone){take_ptr(e->heir), e->id, e->heir_slot, take_fd(&e->handover_fd)});
	e->handing = false;
}

void entry_detach(struct views *v, struct entry *e)
{
	entry_keep(v, e);
	if (e->worker)
		views_forget(v, (struct gone){take_ptr(e->worker), e->id, e->slot, -1});
}

void entry_break(struct views *v, struct entry *e, const char *why)
{
	entry_detach(v, e);
	e->broken = true;
	e->stalled = false;
	e->added = true;
	entry_touch(e);
	e->saving = SAVE_NONE;
	diag_set(&e->why, 0, "%s", why);
	entry_fail(v, e, -EIO);
}

void entry_ask_again(struct views *v, struct entry *e, const char *why)
{
	bool was = entry_is_without(e);

	again_later(&e->again, AGAIN_MS);
	diag_set(&e->waits_for, 0, "%s", why);
	if (!entry_is_without(e) || was)
		return;
	e->added = true;
	entry_fail(v, e, -EIO);
}

bool entry_is_without(const struct entry *e)
{
	return e->again.tries >= AGAIN_TRIES;
}

void entry_has_all(struct entry *e)
{
	e->added |= entry_is_without(e);
	e->again = (struct again){0};
	e->waits_for.text[0] = '\0';
}

/* A reducer that is there at the start has been what it is since its file was written, and its state since some event that is in the log.
 * What comes later comes now. */
static void date(const struct views *v, struct entry *e)
{
	uint64_t now = clock_unix_ns();

	e->undated = !v->started;
	e->old_until = v->started ? 0 : v->start_head;
	e->old_changed = v->options.log_changed;
	e->defined = v->started ? now : min(now, clock_to_ns(e->def->target.mtime));
	entry_touch(e);
}

void entry_renew(struct views *v, struct entry *e, struct definition *def, bool no_snapshot)
{
	entry_sync(e);
	entry_detach(v, e);
	if (def) {
		definition_unref(e->def);
		e->def = def;
	}
	rendering_unref(take_ptr(e->rendering));
	e->rendering_pos = e->pos = (struct log_pos){0};
	e->id = ++v->last_id;
	e->version++;
	e->folded_before += e->folded;
	e->folded = e->rate = e->state_bytes = 0;
	e->saving = SAVE_NONE;
	e->snapshot_off = e->snapshot_time = e->snapshot_skip = 0;
	e->no_snapshot = no_snapshot;
	/* At the start the main worker takes what has a snapshot. */
	life_step(&e->life, v->started ? LIFE_RENEWED : LIFE_FOUND);
	e->proven = false;
	e->suspicions = 0;
	e->broken = e->stalled = false;
	entry_has_all(e);
	e->holes = (struct holes){0};
	e->added = true;
	date(v, e);
	if (e->def->why.text[0]) {
		entry_break(v, e, e->def->why.text);
		e->changed = e->defined;
	}
}

static void entry_free(struct entry *e)
{
	definition_unref(e->def);
	rendering_unref(e->rendering);
	worker_handle_unref(e->worker);
	worker_handle_unref(e->heir);
	closep(&e->handover_fd);
	free(e);
}

/* Under the lock. */
static int insert_new(struct views *v, const char *name, struct definition *def)
{
	bool found;

	if (v->n_entries == v->cap_entries) {
		size_t cap = v->cap_entries ? 2 * v->cap_entries : 16;
		struct entry **entries = realloc(v->entries, cap * sizeof(struct entry *));
		if (!entries)
			return -ENOMEM;
		v->entries = entries;
		v->cap_entries = cap;
	}
	struct entry *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->handover_fd = -1;
	snprintf(e->name, sizeof(e->name), "%s", name);
	size_t place = place_of(v, name, &found);
	memmove(v->entries + place + 1, v->entries + place, (v->n_entries - place) * sizeof(struct entry *));
	v->entries[place] = e;
	v->n_entries++;
	entry_renew(v, e, def, false);
	return 0;
}

static bool same_definition(const struct definition *a, const struct definition *b)
{
	return a->kind == b->kind && a->identity == b->identity && strcmp(a->why.text, b->why.text) == 0;
}

int views_insert(struct views *v, const char *name, struct definition *def)
{
	struct definition *unused = NULL;
	int r = 0;

	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find(v, name);
	if (!e) {
		r = insert_new(v, name, def);
		if (r < 0)
			unused = def;
	} else if (same_definition(e->def, def)) {
		unused = e->def; /* the new one knows the file's dates */
		e->def = def;
	} else {
		definition_ref(unused = e->def);
		entry_renew(v, e, def, false);
	}
	pthread_mutex_unlock(&v->lock);
	definition_unref(unused); /* frees as much as a file: not under the lock */
	views_kick(v);
	return r;
}

void views_remove(struct views *v, const char *name)
{
	bool found;

	pthread_mutex_lock(&v->lock);
	size_t place = place_of(v, name, &found);
	struct entry *e = found ? v->entries[place] : NULL;
	if (e) {
		memmove(v->entries + place, v->entries + place + 1,
			(v->n_entries - place - 1) * sizeof(struct entry *));
		v->n_entries--;
		entry_detach(v, e);
		entry_fail(v, e, -ENOENT);
		if (v->n_removed == v->cap_removed) {
			size_t cap = v->cap_removed ? 2 * v->cap_removed : 8;
			void *removed = realloc(v->removed, cap * sizeof(*v->removed));
			if (removed) {
				v->removed = removed;
				v->cap_removed = cap;
			}
		}
		if (v->n_removed < v->cap_removed)
			memcpy(v->removed[v->n_removed++], e->name, sizeof(e->name));
	}
	pthread_mutex_unlock(&v->lock);
	if (e) {
		entry_free(e);
		views_kick(v);
	}
}

void views_watch(struct views *v)
{
	if (!atomic_load(&v->watching) && !atomic_exchange(&v->watching, true))
		views_kick(v);
}

void views_head_moved(struct views *v)
{
	struct log_pos head =
	    eventlog_head(v->log); /* before the generation: a layout has all that came before it */
	uint64_t generation = eventlog_generation(v->log);

	struct worker_handle *workers[WORKERS];

	pthread_mutex_lock(&v->lock);
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i] = worker_handle_ref(v->workers[i]);
	pthread_mutex_unlock(&v->lock);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker_handle *h = workers[i];
		if (!h)
			continue; /* the next one is told when it starts */
		if (generation != atomic_load(&h->generation))
			views_kick(v);
		else if (worker_handle_head(h, head.off))
			views_watch(v);
		worker_handle_unref(h);
	}
}

static void explain(const struct entry *e, struct diag *ret)
{
	auto_buf struct buf text = {0};

	if (e->broken || e->stalled) {
		*ret = e->why;
	} else if (entry_is_without(e)) {
		diag_set(ret, 0, "%s; it is tried again", e->waits_for.text);
	} else if (e->holes.n > 0) {
		holes_explain(&e->holes, &text);
		diag_set(ret, 0, "%.*s", (int)text.len, text.data ? text.data : "");
	}
}

static void fill_status(const struct entry *e, struct view_status *ret)
{
	*ret = (struct view_status){
	    .kind = e->def->kind == REDUCER_C ? "c" : "jq",
	    .pos = e->pos,
	    .version = e->version,
	    .apart = !e->broken && (e->life.stage == LIFE_REBUILD || e->life.stage == LIFE_SETTLED),
	    .alone = !e->broken && life_is_alone(&e->life),
	    .broken = e->broken || e->stalled || entry_is_without(e),
	    .waits_for = e->waits_for,
	    .holes = e->holes,
	    .folded = e->folded_before + e->folded,
	    .rate = e->rate,
	    .state_bytes = e->state_bytes,
	    .snapshot_time = e->snapshot_time,
	    .snapshot_off = e->snapshot_off,
	    .changed = e->changed,
	    .defined = e->defined,
	};
	memcpy(ret->name, e->name, sizeof(ret->name));
	memcpy(ret->file, e->def->file, sizeof(ret->file));
	explain(e, &ret->why);
}

int views_status(struct views *v, const char *name, struct view_status *ret)
{
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find(v, name);
	if (e) {
		entry_sync(e);
		fill_status(e, ret);
	}
	pthread_mutex_unlock(&v->lock);
	return e ? 0 : -ENOENT;
}

int views_definition(struct views *v, const char *name, struct definition **ret)
{
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find(v, name);
	if (e)
		*ret = definition_ref(e->def);
	pthread_mutex_unlock(&v->lock);
	return e ? 0 : -ENOENT;
}

int views_list(struct views *v, struct view_status **ret, size_t *ret_n)
{
	struct view_status *all = NULL;
	size_t n;

	pthread_mutex_lock(&v->lock);
	n = v->n_entries;
	all = malloc(max(n, (size_t)1) * sizeof(*all));
	for (size_t i = 0; all && i < n; i++) {
		entry_sync(v->entries[i]);
		fill_status(v->entries[i], &all[i]);
	}
	pthread_mutex_unlock(&v->lock);
	if (!all)
		return -ENOMEM;
	*ret = all;
	*ret_n = n;
	return 0;
}

void views_worker_status(struct views *v, struct views_worker_status *ret)
{
	pthread_mutex_lock(&v->lock);
	*ret = (struct views_worker_status){.pid = v->pids[MAIN],
					    .rebuild_pid = v->pids[REBUILD],
					    .restarts = v->restarts,
					    .waits_for = v->waits_for};
	pthread_mutex_unlock(&v->lock);
}

int views_rebuild(struct views *v, const char *name)
{
	bool any = !name;

	/* Whoever rebuilds may have restored the log: who begins anew is to look at it anew. */
	eventlog_look_again(v->log);
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++) {
		struct entry *e = v->entries[i];
		if (name && strcmp(e->name, name) != 0)
			continue;
		any = true;
		entry_renew(v, e, NULL, true);
	}
	pthread_mutex_unlock(&v->lock);
	views_kick(v);
	return any ? 0 : -ENOENT;
}

int views_snapshot(struct views *v)
{
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_entries; i++)
		v->entries[i]->save_now = true;
	pthread_mutex_unlock(&v->lock);
	views_kick(v);
	return 0;
}

static void views_free(struct views *v)
{
	for (size_t i = 0; i < v->n_entries; i++)
		entry_free(v->entries[i]);
	for (size_t i = 0; i < v->n_gone; i++) {
		worker_handle_unref(v->gone[i].worker);
		closep(&v->gone[i].fd);
	}
	free(v->entries);
	free(v->gone);
	free(v->removed);
	closep(&v->kick_fd);
	closep(&v->views_fd);
	pthread_mutex_destroy(&v->lock);
	pthread_cond_destroy(&v->start_cond);
	pthread_cond_destroy(&v->jobs_cond);
	pthread_cond_destroy(&v->retired_cond);
	free(v->worker_path);
	free(v);
}

static struct views *views_new(struct eventlog *log, struct disk *disk, int data_dirfd,
			       const struct views_options *options)
{
	struct views *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->options = *options;
	v->log = log;
	v->start_head = eventlog_head(log).off;
	v->disk = disk;
	v->data_fd = data_dirfd;
	v->views_fd = -1;
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->start_cond, NULL);
	pthread_cond_init(&v->jobs_cond, NULL);
	pthread_cond_init(&v->retired_cond, NULL);
	v->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	v->worker_path = strdup(options->worker_path);
	v->options.worker_path = v->worker_path;
	return v;
}

static int open_views_dir(struct views *v, struct diag *diag)
{
	int r = v->disk->mkdir(v->disk, v->data_fd, "views", 0777);

	if (r == 0) {
		v->views_fd = openat(v->data_fd, "views", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = v->views_fd < 0 ? -errno : 0;
	}
	return r < 0 ? diag_set(diag, r, "cannot create the directory views: %s", strerror(-r)) : 0;
}

static int definition_changed(void *arg, const char *name, struct definition *def)
{
	struct views *v = arg;

	if (!def) {
		views_remove(v, name);
		return 0;
	}
	int r = views_insert(v, name, definition_ref(def));
	if (r < 0)
		views_report(v, "the view %s could not be added: %s; it is tried again", name, strerror(-r));
	return r;
}

static int open_catalog(struct views *v, struct diag *diag)
{
	struct catalog_options options = {
	    .worker_path = v->worker_path,
	    .quiet = v->options.quiet,
	    .changed = definition_changed,
	    .report = report,
	    .arg = v,
	};

	int r = v->disk->mkdir(v->disk, v->data_fd, "reducers", 0777);
	if (r < 0)
		return diag_set(diag, r, "cannot create the directory reducers: %s", strerror(-r));
	return catalog_start(&v->catalog, v->data_fd, &options, diag);
}

/* The views thread starts the workers, since they end with the thread that has started them. */
static int start_thread(struct views *v, struct diag *diag)
{
	int r = -pthread_create(&v->thread, NULL, views_thread, v);

	if (r < 0)
		return diag_set(diag, r, "cannot start a thread: %s", strerror(-r));
	pthread_mutex_lock(&v->lock);
	while (!v->started)
		pthread_cond_wait(&v->start_cond, &v->lock);
	r = v->start_result;
	pthread_mutex_unlock(&v->lock);
	if (r < 0) {
		pthread_join(v->thread, NULL);
		if (diag)
			*diag = v->start_why;
	}
	return r;
}

static int start_threads(struct views *v, struct diag *diag)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = views_saver_start(v);
	if (r < 0) {
		diag_set(diag, r, "cannot start a thread: %s", strerror(-r));
	} else {
		r = start_thread(v, diag);
		if (r < 0)
			views_saver_stop(v);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int views_start(struct views **ret, struct eventlog *log, struct disk *disk, int data_dirfd,
		const struct views_options *options, struct diag *diag)
{
	struct views *v = views_new(log, disk, data_dirfd, options);

	if (!v)
		return diag_set(diag, -ENOMEM, "no memory");
	int r =
	    v->kick_fd < 0 || !v->worker_path ? diag_set(diag, -ENOMEM, "no memory or descriptors left") : 0;
	if (r == 0)
		r = open_views_dir(v, diag);
	if (r == 0)
		r = open_catalog(v, diag);
	if (r == 0)
		r = start_threads(v, diag);
	if (r < 0) {
		catalog_stop(v->catalog);
		views_free(v);
		return r;
	}
	*ret = v;
	return 0;
}

void views_stop(struct views *v)
{
	catalog_stop(v->catalog);
	pthread_mutex_lock(&v->lock);
	v->stopping = true;
	pthread_mutex_unlock(&v->lock);
	views_kick(v);
	pthread_join(v->thread, NULL);
	views_saver_stop(v);
	views_free(v);
}
