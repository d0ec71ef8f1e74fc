#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "model/views/keeper_impl.h"

#define HANDOVER_LAG (1u << 20) /* so near to the head a view can be handed over */
#define HANDOVERS_MAX 8
#define STATE_FACTOR 4 /* a large state is saved after so many times its size of new log */

bool resident_save_due(struct keeper *k, const struct resident *r)
{
	const struct board_facts now = resident_look(k, r);
	uint64_t off = now.pos.off, every = k->options.views->snapshot_bytes;

	if (!life_has_worker(&r->life) || r->life.save == SAVE_RUNS || off <= r->snapshot.off)
		return false;
	if (atomic_load(&k->stopping))
		return r->snapshot.skip != UINT64_MAX;
	if (r->snapshot.wanted)
		return true;
	if (off <= r->snapshot.skip)
		return false;
	return every && off - r->snapshot.off >= max(every, STATE_FACTOR * now.state_bytes);
}

bool resident_move_due(struct keeper *k, const struct resident *r)
{
	/* Before its worker says that it has it, what is known of its place is of an earlier one. */
	bool comes = r->life.stage == LIFE_COMING;
	bool leaves = life_has_worker(&r->life) && !comes && !life_moves(&r->life) &&
		      ((r->life.home == HOME_REBUILD && r->worker == k->crew.workers[REBUILD]) ||
		       r->life.home == HOME_TRIAL);
	if (!leaves || atomic_load(&k->stopping))
		return false;
	uint64_t off = resident_look(k, r).pos.off;
	return off > 0 && off > r->snapshot.skip && off + HANDOVER_LAG >= k->head &&
	       (r->life.home != HOME_TRIAL || off >= r->trial_off);
}

/* However many views have caught up, they go a few at a time: all their snapshots at once would be a
 * descriptor each, and none left for what else a handover takes. */
static bool may_move(struct keeper *k, const struct resident *r)
{
	return k->handovers < HANDOVERS_MAX && resident_move_due(k, r);
}

/* The next view of the worker's that is to be saved or handed over. */
static struct resident *next_save(struct keeper *k, struct worker_handle *h)
{
	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		if (r->worker != h || r->life.save != SAVE_NOT || r->again.at_ms)
			continue;
		if (resident_save_due(k, r) || may_move(k, r))
			return r;
		r->snapshot.wanted = false;
	}
	return NULL;
}

bool keeper_save_one(struct keeper *k, struct worker_handle *h)
{
	struct resident *r = next_save(k, h);

	if (!r)
		return false;
	bool moves = may_move(k, r);
	struct message m = {.type = MSG_WANT, .view = r->id, .flags = MSG_SNAPSHOT};
	m.version = board_rendered(k->board, r->view, r->id);
	if (!crew_send(h, &m, (struct slice){0}, NULL, 0))
		return false;
	k->handovers += moves;
	resident_happens(k, r, moves ? LIFE_MOVE_ASKED : LIFE_SAVE_ASKED);
	crew_watch(&k->crew);
	return true;
}

/* Such a snapshot's offset is one into the file that was active then, so the view has to be saved once more.
 */
static bool precedes_rotation(const struct keeper *k, const struct log_pos *pos, uint64_t offset)
{
	return pos->off - offset < k->active_begin;
}

static struct save_job *job_of(struct keeper *k, const struct resident *r, const struct message *m,
			       struct rendering *rendering)
{
	struct save_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	memcpy(job->name, board_name(r->view), strlen(board_name(r->view)));
	job->id = r->id;
	job->rendering = rendering_ref(rendering);
	job->version = m->version;
	job->snapshot = (struct snapshot){
	    .pos = m->pos,
	    .offset = m->offset,
	    .checksum = m->checksum,
	    .changed = rendering->changed,
	    .reducer = r->def->identity,
	    .holes = board_holes(k->board, r->view, r->id, m->pos.off),
	};
	return job;
}

void resident_save(struct keeper *k, struct resident *r, const struct message *m, struct rendering *rendering)
{
	bool old = (m->flags & MSG_SNAPSHOT) && precedes_rotation(k, &m->pos, m->offset);
	bool save = resident_save_due(k, r) && !old, moves = r->life.move == MOVE_MEANT;
	struct save_job *job = NULL;

	r->snapshot.wanted &= old;
	if (!save && !moves)
		return resident_happens(k, r, LIFE_UNANSWERED);
	if ((m->flags & MSG_SNAPSHOT) && rendering)
		job = job_of(k, r, m, rendering);
	if (!job) {
		/* Not before it has moved on; at the end it has been tried. */
		r->snapshot.skip = atomic_load(&k->stopping) ? UINT64_MAX : m->pos.off;
		return resident_happens(k, r, LIFE_UNANSWERED);
	}
	job->save = save;
	job->handover = moves;
	resident_happens(k, r, LIFE_ANSWERED);
	saver_put(k->saver, job);
}

/* It is packed for the main worker, or can't be. */
static void take_packed(struct keeper *k, struct resident *r, struct save_job *job)
{
	if (job->packed >= 0) {
		resident_happens(k, r, LIFE_PACKED);
		if (r->life.move != MOVE_PACKED || r->parcel_fd >= 0)
			return;
		r->parcel_fd = take_fd(&job->packed);
		r->parcel_version = job->version;
	} else if (error_passes(job->packed)) {
		r->snapshot.skip = job->snapshot.pos.off; /* again when it has moved on */
		resident_happens(k, r, LIFE_UNPACKED);
	} else {
		resident_happens(k, r, LIFE_STAYS);
	}
}

static void take_saved(struct keeper *k, struct resident *r, const struct save_job *job)
{
	const struct snapshot *s = &job->snapshot;

	if (job->save && job->saved == 0 && precedes_rotation(k, &s->pos, s->offset)) {
		r->snapshot.wanted = true;
	} else if (job->save && job->saved == 0) {
		r->snapshot.off = s->pos.off;
		r->snapshot.time = clock_unix();
		resident_happens(k, r, LIFE_KEPT);
	} else if (job->save) {
		r->snapshot.skip =
		    atomic_load(&k->stopping) ? UINT64_MAX : s->pos.off + k->options.views->snapshot_bytes;
	}
	resident_happens(k, r, LIFE_SAVED);
}

void keeper_take_saved(struct keeper *k)
{
	for (struct save_news *n; (n = saver_next_news(k->saver));) {
		struct save_job *job = n->job;
		struct resident *r = resident_find(k, job->id);
		bool over = n->over;
		if (!over && job->packed < 0)
			keeper_report(k, "the view %s stays in the rebuild worker: %s", job->name,
				      strerror(-job->packed));
		if (r && over)
			take_saved(k, r, job);
		else if (r)
			take_packed(k, r, job);
		if (over)
			save_job_free(job);
	}
}

void keeper_save_anew(struct keeper *k, uint64_t active_begin)
{
	k->active_begin = active_begin;
	for (size_t i = 0; i < k->n_residents; i++) {
		k->residents[i]->snapshot.off = 0;
		k->residents[i]->snapshot.wanted = true;
		resident_post(k, k->residents[i]);
	}
}

void keeper_count_handovers(struct keeper *k)
{
	k->handovers = 0;
	for (size_t i = 0; i < k->n_residents; i++)
		k->handovers += life_moves(&k->residents[i]->life);
}

bool keeper_saves(struct keeper *k)
{
	for (size_t i = 0; i < k->n_residents; i++) {
		const struct resident *r = k->residents[i];
		if (r->life.save != SAVE_NOT || resident_save_due(k, r))
			return true;
	}
	return false;
}
