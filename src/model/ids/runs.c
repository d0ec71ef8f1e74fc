#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "model/ids/impl.h"
#include "store/log.h"

#define SAMPLES 16    /* entries of a file that are looked up in the log before it is believed */
#define REST_IDS 4096 /* what is less than this is read again at the next mount */
#define REST_BYTES (1u << 20)

/* Is the file about this log? */

static bool ends_there(struct ids *ids, const struct ids_run *run, uint64_t head)
{
	struct ids_look *look = ids->look;
	struct log_pos pos;

	if (run->end.off > head || live_reader_refresh(&look->live) < 0)
		return false;
	return reader_seek_off(look->live.reader, run->end.off, head, &pos) == 0 && pos.hash == run->end.hash;
}

static bool samples_are_there(struct ids *ids, const struct ids_run *run, uint64_t head)
{
	size_t n = (size_t)min(run->n, (uint64_t)SAMPLES);
	struct ids_entry e;
	struct ids_found found;

	for (size_t i = 0; i < n; i++) {
		if (ids_run_entry(run, run->n * i / n, &e) < 0 ||
		    ids_look_at(ids->look, e.off, head, &found) != 0)
			return false;
		struct eventfold_slice id = found.event->pub.id;
		if (!id.data || ids_print((struct slice){id.data, id.len}) != e.print)
			return false;
	}
	return true;
}

/* The run that goes on from this place, the longest; NULL: none does. Takes it out. */
static struct ids_run *take_next(struct ids_run *found[IDS_SLOTS], const struct log_pos *from)
{
	struct ids_run **best = NULL;

	for (size_t i = 0; i < IDS_SLOTS; i++) {
		const struct ids_run *run = found[i];
		if (!run || run->begin.off != from->off || (from->off > 0 && run->begin.hash != from->hash) ||
		    run->end.off == from->off)
			continue;
		if (!best || run->end.off > (*best)->end.off)
			best = &found[i];
	}
	return best ? take_ptr(*best) : NULL;
}

/* False: all has been forgotten since this life began, and the run goes on from nothing. */
static bool take_run(struct ids *ids, struct ids_run *run, uint64_t life)
{
	pthread_mutex_lock(&ids->lock);
	bool same = life == ids->life;
	if (same) {
		ids->runs[ids->n_runs++] = run;
		ids->covered = run->end;
		ids->so_far = run->end.off;
	}
	pthread_mutex_unlock(&ids->lock);
	return same;
}

/* What lacks something is read again: it may have been mended. */
static bool holds(struct ids *ids, const struct ids_run *run, uint64_t head)
{
	return run->lacks == IDS_LACKS_NONE && ends_there(ids, run, head) &&
	       samples_are_there(ids, run, head);
}

static void chain(struct ids *ids, struct ids_run *found[IDS_SLOTS])
{
	uint64_t head = eventlog_head(ids->log).off;
	struct ids_run *run;

	pthread_mutex_lock(&ids->lock);
	struct log_pos at = ids->covered, end;
	uint64_t life = ids->life;
	pthread_mutex_unlock(&ids->lock);
	while ((run = take_next(found, &at))) {
		bool held = holds(ids, run, head);
		end = run->end;
		if (held && take_run(ids, run, life)) {
			at = end;
			continue;
		}
		ids_run_remove(ids->disk, ids->data_fd, run->slot);
		ids_run_unref(run);
		/* Begun anew meanwhile: from the log, then. */
		if (held)
			break;
	}
}

int ids_runs_load(struct ids *ids)
{
	struct ids_run *found[IDS_SLOTS] = {0};
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < IDS_SLOTS; i++)
		r = ids_run_open(&found[i], ids->disk, ids->data_fd, i);
	if (r >= 0)
		chain(ids, found);
	for (unsigned i = 0; i < IDS_SLOTS; i++) {
		if (r >= 0 && found[i])
			ids_run_remove(ids->disk, ids->data_fd, i);
		ids_run_unref(found[i]);
	}
	return min(r, 0);
}

/* Files of what is in memory */

/* Of what may be lost with the power there is no file: the log could go on otherwise from there. By a
 * descriptor of its own, so that no error is hidden from the log's. Where a rotation has changed the file
 * meanwhile, the one before was synced by that. Between its two renames there is only the sealed one. */
static int sync_log(struct ids *ids)
{
	static const char *const names[] = {"app.jsonl", "app.jsonl.sealed", "app.jsonl"};
	struct disk *d = ids->disk;
	int fd = -ENOENT;

	for (size_t i = 0; fd == -ENOENT && i < countof(names); i++)
		fd = d->open(d, ids->data_fd, names[i], O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	int r = d->sync(d, fd);
	d->close(d, fd);
	return r;
}

/* Under the lock. */
static unsigned free_slot(const struct ids *ids)
{
	for (unsigned slot = 0; slot < IDS_SLOTS; slot++) {
		size_t i = 0;
		while (i < ids->n_runs && ids->runs[i]->slot != slot)
			i++;
		if (i == ids->n_runs)
			return slot;
	}
	return IDS_SLOTS;
}

struct list {
	struct ids_entry *at, *end;
};

static int list_next(void *arg, struct ids_entry *ret)
{
	struct list *l = arg;

	if (l->at == l->end)
		return 1;
	*ret = *l->at++;
	return 0;
}

/* The oldest full table, as it is to be written. Its entries are copied, since others look into it. */
static int copy_oldest(struct ids *ids, struct ids_span *ret_span, struct ids_entry **ret, unsigned *ret_slot,
		       uint64_t *ret_life)
{
	int r = 0;

	*ret = NULL;
	pthread_mutex_lock(&ids->lock);
	*ret_life = ids->life;
	*ret_slot = free_slot(ids);
	if (ids->n_full == 0) {
		r = 1;
	} else {
		const struct ids_table *t = ids->full[0];
		*ret_span = (struct ids_span){t->begin, t->end, t->lacks, t->n};
		*ret = malloc((t->n + 1) * sizeof(**ret));
		if (*ret && t->n > 0)
			memcpy(*ret, t->entries, t->n * sizeof(**ret));
		r = *ret ? 0 : -ENOMEM;
	}
	pthread_mutex_unlock(&ids->lock);
	return r;
}

/* The oldest full table is this run from now on. */
static void put_run(struct ids *ids, struct ids_run *run, uint64_t life)
{
	struct ids_table *old = NULL;

	pthread_mutex_lock(&ids->lock);
	if (life == ids->life) {
		old = ids->full[0];
		ids->n_full--;
		memmove(ids->full, ids->full + 1, ids->n_full * sizeof(struct ids_table *));
		ids->runs[ids->n_runs++] = take_ptr(run);
		ids->unstored = 0;
	}
	pthread_mutex_unlock(&ids->lock);
	ids_table_free(old);
	ids_run_unref(run);
}

static int save_oldest(struct ids *ids)
{
	struct ids_entry *entries auto_free = NULL;
	struct ids_run *run;
	struct ids_span span;
	unsigned slot;
	uint64_t life;

	int r = copy_oldest(ids, &span, &entries, &slot, &life);
	if (r != 0)
		return r;
	qsort(entries, span.n, sizeof(*entries), ids_entry_compare);
	struct list list = {entries, entries + span.n};
	r = slot < IDS_SLOTS ? sync_log(ids) : -EMFILE;
	if (r == 0)
		r = ids_run_write(&run, ids->disk, ids->data_fd, slot, &span, list_next, &list);
	if (r == 0)
		put_run(ids, run, life);
	return r;
}

static void note_unstored(struct ids *ids, int error)
{
	char text[160];

	pthread_mutex_lock(&ids->lock);
	bool first = !ids->unstored;
	ids->unstored = error;
	pthread_mutex_unlock(&ids->lock);
	if (!first)
		return;
	snprintf(text, sizeof(text), "the index of ids cannot be stored in ids/: %s",
		 strerrordesc_np(-error));
	ids_report(ids, text);
}

/* Of neighbours that are about as large one is made: so there are few, and each id is written again only
 * seldom. What lacks something is read again at the next mount, and so is all that it is merged with. */
static bool is_due(const struct ids *ids)
{
	const struct ids_run *const *last = (const struct ids_run *const *)&ids->runs[ids->n_runs];

	if (ids->n_runs < 2)
		return false;
	const struct ids_run *a = last[-2], *b = last[-1];
	bool alike = (a->lacks == IDS_LACKS_NONE) == (b->lacks == IDS_LACKS_NONE);
	return (alike && 2 * (b->n + 1024) >= a->n) || ids->n_runs > IDS_SLOTS - 4;
}

static int merge_last(struct ids *ids)
{
	struct ids_run *a, *b, *both;

	pthread_mutex_lock(&ids->lock);
	bool due = is_due(ids);
	a = due ? ids_run_ref(ids->runs[ids->n_runs - 2]) : NULL;
	b = due ? ids_run_ref(ids->runs[ids->n_runs - 1]) : NULL;
	uint64_t life = ids->life;
	unsigned slot = free_slot(ids);
	pthread_mutex_unlock(&ids->lock);
	if (!due)
		return 1;
	int r = ids_run_merge(&both, ids->data_fd, slot, a, b);
	if (r == 0) {
		pthread_mutex_lock(&ids->lock);
		bool same = life == ids->life;
		if (same) {
			ids->n_runs--;
			ids->runs[ids->n_runs - 1] = both;
		}
		pthread_mutex_unlock(&ids->lock);
		ids_run_remove(ids->disk, ids->data_fd, same ? a->slot : slot);
		if (same) {
			ids_run_remove(ids->disk, ids->data_fd, b->slot);
			ids_run_unref(a);
			ids_run_unref(b);
		} else {
			ids_run_unref(both);
		}
	}
	ids_run_unref(a);
	ids_run_unref(b);
	return r;
}

void ids_runs_save(struct ids *ids)
{
	int r;

	while ((r = save_oldest(ids)) == 0) {
		do
			r = merge_last(ids);
		while (r == 0);
		if (r == -EBADMSG)
			return ids_doubt(ids, "the index of ids was damaged");
	}
	if (r < 0)
		note_unstored(ids, r);
}

void ids_runs_save_rest(struct ids *ids)
{
	bool worth;

	pthread_mutex_lock(&ids->lock);
	struct ids_table *t = ids->recent;
	worth = ids->loaded && t && ids->n_full < IDS_FULL &&
		(t->n >= REST_IDS || t->end.off - t->begin.off >= REST_BYTES);
	if (worth)
		ids->full[ids->n_full++] = take_ptr(ids->recent);
	pthread_mutex_unlock(&ids->lock);
	while (save_oldest(ids) == 0)
		;
}
