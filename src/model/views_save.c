#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "model/snapshot.h"
#include "model/views_impl.h"

#define HANDOVER_LAG (1u << 20) /* so near to the head a view can be handed over */
#define STATE_FACTOR 4          /* a large state is saved after so many times its size of new log */

bool entry_save_due(const struct views *v, const struct entry *e)
{
	uint64_t off = e->pos.off;

	if (e->broken || !e->worker || e->saving == SAVE_RUNS || off <= e->snapshot_off)
		return false;
	if (v->stopping)
		return e->snapshot_skip != UINT64_MAX;
	if (e->save_now)
		return true;
	if (off <= e->snapshot_skip)
		return false;
	return v->options.snapshot_bytes &&
	       off - e->snapshot_off >= max(v->options.snapshot_bytes, STATE_FACTOR * e->state_bytes);
}

/* It has caught up with the head, so it can join the others. */
bool entry_handover_due(const struct views *v, const struct entry *e)
{
	uint64_t off = e->pos.off;

	bool leaves = e->worker && ((e->life.stage == LIFE_REBUILD && e->worker == v->workers[REBUILD]) ||
				    (e->life.stage == LIFE_TRIAL && off >= e->trial_off));

	return !e->broken && leaves && !v->stopping && !e->heir && e->handover_fd < 0 && off > 0 &&
	       off > e->snapshot_skip && off + HANDOVER_LAG >= v->head;
}

/* Such a snapshot's offset is one into the file that was active then, so the view has to be saved once more. Under the lock. */
static bool precedes_rotation(const struct views *v, const struct log_pos *pos, uint64_t offset)
{
	return pos->off - offset < v->active_begin;
}

/* Under the lock: the worker has answered. */
void views_save(struct views *v, struct entry *e, const struct message *m)
{
	struct save_job *job = NULL, **at;

	bool save = entry_save_due(v, e), handover = e->handing;
	bool old = (m->flags & MSG_SNAPSHOT) && precedes_rotation(v, &m->pos, m->offset);
	e->saving = SAVE_NONE;
	e->save_now &= old;
	e->handing = false;
	save &= !old;
	if (!save && !handover)
		return;
	if ((m->flags & MSG_SNAPSHOT) && e->rendering && e->rendering->version == m->version)
		job = malloc(sizeof(*job));
	if (!job) {
		/* Not before it has moved on; at the end it has been tried. */
		e->snapshot_skip = v->stopping ? UINT64_MAX : m->pos.off;
		return;
	}
	*job = (struct save_job){
	    .id = e->id,
	    .identity = e->def->identity,
	    .rendering = rendering_ref(e->rendering),
	    .pos = m->pos,
	    .version = m->version,
	    .changed = e->rendering->changed,
	    .deaths = e->deaths,
	    .offset = m->offset,
	    .checksum = m->checksum,
	    .holes = holes_before(&e->holes, m->pos.off),
	    .save = save,
	    .handover = handover,
	};
	memcpy(job->name, e->name, sizeof(job->name));
	e->saving = SAVE_RUNS;
	for (at = &v->jobs; *at; at = &(*at)->next)
		;
	*at = job;
	pthread_cond_signal(&v->jobs_cond);
}

static int make_memfd(const struct snapshot *s)
{
	auto_buf struct buf text = {0};
	size_t done;

	int r = snapshot_write(s, &text);
	if (r < 0)
		return r;
	auto_close int fd = proto_memfd("snapshot");
	if (fd < 0)
		return fd;
	r = disk_pwrite_all(&disk_posix, fd, text.data, text.len, 0, &done);
	if (r == 0)
		r = proto_seal(fd);
	return r < 0 ? r : take_fd(&fd);
}

/* Leaves it to the views thread to send it on. */
static void hand_over(struct views *v, const struct save_job *job, const struct snapshot *s)
{
	auto_close int fd = make_memfd(s);

	if (fd < 0)
		views_report(v, "the view %s stays in the rebuild worker: %s", job->name, strerror(-fd));
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, job->id);
	if (e && error_passes(fd)) {
		e->snapshot_skip = job->pos.off; /* again when it has moved on */
	} else if (e && fd < 0) {
		life_step(&e->life, LIFE_STAYS);
	} else if (e && !e->broken && !e->heir && e->handover_fd < 0 && e->deaths == job->deaths) {
		e->handover_fd = take_fd(&fd);
		e->handover_version = job->version;
	}
	pthread_mutex_unlock(&v->lock);
	views_kick(v);
}

static void note_saved(struct views *v, const struct save_job *job, int result)
{
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find_id(v, job->id);
	if (e && e->saving == SAVE_RUNS) {
		e->saving = SAVE_NONE;
		if (!job->save) {
			;
		} else if (result == 0 && precedes_rotation(v, &job->pos, job->offset)) {
			e->save_now = true;
		} else if (result == 0) {
			e->snapshot_off = job->pos.off;
			e->snapshot_time = clock_unix();
		} else {
			e->snapshot_skip =
			    v->stopping ? UINT64_MAX : job->pos.off + v->options.snapshot_bytes;
		}
	}
	pthread_mutex_unlock(&v->lock);
	views_kick(v);
}

static void save(struct views *v, struct save_job *job)
{
	struct slice json = job->rendering->json;
	struct snapshot s = {
	    .pos = job->pos,
	    .offset = job->offset,
	    .checksum = job->checksum,
	    .changed = job->changed,
	    .reducer = job->identity,
	    .holes = job->holes,
	    .state = {json.data, json.len - 1}, /* without its newline */
	};

	if (job->handover)
		hand_over(v, job, &s);
	int r = job->save ? snapshot_save(&s, v->disk, v->views_fd, job->name) : 0;
	if (r < 0)
		views_report(v, "the snapshot of %s could not be saved: %s", job->name, strerror(-r));
	note_saved(v, job, r);
	rendering_unref(job->rendering);
	free(job);
}

/* Does the file say that its state stands at the beginning of the active log? */
static bool is_at_begin(struct views *v, const char *file)
{
	auto_close int fd = openat(v->views_fd, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	auto_buf struct buf text = {0};

	off_t size = fd < 0 ? -1 : disk_posix.size(&disk_posix, fd);
	if (size < 0 || buf_reserve(&text, (size_t)size) < 0 ||
	    disk_pread_all(&disk_posix, fd, text.data, (size_t)size, 0) != 0)
		return false;
	text.len = (size_t)size;
	return snapshot_is_at_begin(buf_slice(&text));
}

static bool is_old(struct views *v, const char *file)
{
	static const char suffix[] = ".snapshot.json";
	size_t len = strlen(file), end = sizeof(suffix) - 1;
	char name[LIMIT_NAME + 1];

	if (len <= end || len - end > LIMIT_NAME || strcmp(file + len - end, suffix) != 0)
		return false; /* none of ours */
	snprintf(name, sizeof(name), "%.*s", (int)(len - end), file);
	pthread_mutex_lock(&v->lock);
	struct entry *e = views_find(v, name);
	bool kept = e && !e->broken, fresh = kept && e->snapshot_off >= v->retire_begin;
	pthread_mutex_unlock(&v->lock);
	return !kept || (!fresh && is_at_begin(v, file));
}

/* What a crash has left of a save. Only the saver makes such files. */
static bool is_temporary(struct views *v, const char *file)
{
	static const char suffix[] = ".snapshot.json.tmp";
	size_t len = strlen(file), end = sizeof(suffix) - 1;

	return file[0] == '.' && len > end && strcmp(file + len - end, suffix) == 0;
}

/* Removes the files in DATA/views that are so. */
static void sweep(struct views *v, bool is_so(struct views *v, const char *file), const char *what)
{
	int fd = openat(v->views_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		closep(&fd);
		return;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (!is_so(v, d->d_name))
			continue;
		int r = v->disk->unlink(v->disk, v->views_fd, d->d_name);
		if (r < 0)
			views_report(v, "the %s %s could not be removed: %s", what, d->d_name, strerror(-r));
	}
	closedir(dir);
}

static void retire(struct views *v)
{
	sweep(v, is_old, "old snapshot");
	int r = v->disk->sync_dir(v->disk, v->views_fd);
	if (r < 0)
		views_report(v, "the directory views could not be synced: %s", strerror(-r));
	pthread_mutex_lock(&v->lock);
	v->retire = false;
	pthread_cond_signal(&v->retired_cond);
	pthread_mutex_unlock(&v->lock);
}

void views_retire_snapshots(struct views *v, uint64_t active_begin)
{
	pthread_mutex_lock(&v->lock);
	v->retire = true;
	v->retire_begin = active_begin;
	pthread_cond_signal(&v->jobs_cond);
	while (v->retire)
		pthread_cond_wait(&v->retired_cond, &v->lock);
	pthread_mutex_unlock(&v->lock);
}

static void *saver_thread(void *arg)
{
	struct views *v = arg;

	sweep(v, is_temporary, "leftover");
	for (;;) {
		pthread_mutex_lock(&v->lock);
		while (!v->jobs && !v->retire && !v->saver_stops)
			pthread_cond_wait(&v->jobs_cond, &v->lock);
		struct save_job *job = v->jobs;
		bool retires = v->retire;
		if (job && !retires)
			v->jobs = job->next;
		pthread_mutex_unlock(&v->lock);
		if (retires)
			retire(v);
		else if (job)
			save(v, job);
		else
			return NULL;
	}
}

int views_saver_start(struct views *v)
{
	return -pthread_create(&v->saver, NULL, saver_thread, v);
}

void views_saver_stop(struct views *v)
{
	pthread_mutex_lock(&v->lock);
	v->saver_stops = true;
	pthread_cond_signal(&v->jobs_cond);
	pthread_mutex_unlock(&v->lock);
	pthread_join(v->saver, NULL);
}
