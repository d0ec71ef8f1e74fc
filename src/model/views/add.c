#include <errno.h>
#include <string.h>

#include "model/engine/snapshot.h"
#include "model/views/keeper_impl.h"

#define LAG_MAX (8u << 20) /* farther behind the head than this the main worker takes no view */

/* What the worker is told. False: it is full. */
static bool describe(struct worker_handle *h, const struct resident *r, uint64_t version, struct message *ret)
{
	int slot = worker_handle_take_slot(h);

	if (slot < 0)
		return false;
	h->given++;
	h->natives += reducer_host(r->def->kind)->native;
	*ret = (struct message){
	    .type = MSG_ADD,
	    .view = r->id,
	    .slot = (uint32_t)slot,
	    .kind = r->def->kind,
	    .identity = r->def->identity,
	    .version = version,
	};
	return true;
}

void keeper_needs(const struct keeper *k, bool ret[static WORKERS])
{
	memset(ret, 0, WORKERS * sizeof(*ret));
	for (size_t i = 0; i < k->n_residents; i++) {
		const struct resident *r = k->residents[i];
		if (resident_is_homeless(r))
			ret[resident_place(k, r)] = true;
		else if (r->worker)
			ret[r->worker->place] = true;
	}
}

void keeper_tell_homeless(struct keeper *k, unsigned which, const char *why)
{
	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		if (!resident_is_homeless(r) || resident_place(k, r) != which)
			continue;
		if (why) {
			resident_lacks(k, r, LIFE_LACKS, why);
		} else {
			r->again.at_ms = 0;
			resident_post(k, r);
		}
	}
}

/* Is a view that has caught up on its way out of the rebuild worker? What comes in next may never come back,
 * so it waits for that little while, and that view for nobody. */
static bool is_leaving(struct keeper *k, const struct resident *r)
{
	return r->worker && r->worker == k->crew.workers[REBUILD] &&
	       (life_moves(&r->life) || resident_move_due(k, r));
}

/* The smallest first: the others take a while. */
static struct resident *next_addition(struct keeper *k, unsigned which)
{
	struct resident *next = NULL;

	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		if (!resident_is_homeless(r) || resident_place(k, r) != which || r->again.at_ms)
			continue;
		if (!next || r->load_bytes < next->load_bytes)
			next = r;
	}
	for (size_t i = 0; i < k->n_residents && next && which == REBUILD; i++)
		if (is_leaving(k, k->residents[i]))
			next = NULL;
	return next;
}

/* It could not be handed to the worker. */
static void lacks_way(struct keeper *k, struct resident *r, int error)
{
	struct diag why;

	diag_set(&why, 0, "it cannot be handed to its worker: %s",
		 error ? strerror(-error) : "the socket is out of order");
	resident_lacks(k, r, LIFE_LACKS, why.text);
}

/* The worker is told: from now on it is asked directly. */
static void moves_in(struct keeper *k, struct resident *r, struct worker_handle *h, const struct message *m)
{
	struct board_source source = {h, m->slot, m->version};

	r->worker = worker_handle_ref(h);
	r->slot = m->slot;
	r->snapshot.off = r->snapshot.time = 0;
	resident_happens(k, r, h->place == MAIN ? LIFE_GIVEN_MAIN : LIFE_GIVEN);
	board_source(k->board, r->view, r->id, &source);
}

bool keeper_add_one(struct keeper *k, unsigned which)
{
	struct worker_handle *h = k->crew.workers[which];
	struct resident *r = next_addition(k, which);
	struct message m;

	if (!r)
		return false;
	if (!describe(h, r, resident_look(k, r).version, &m)) {
		resident_breaks(k, r, "there are more views than a worker can keep");
		return true;
	}
	if (which == MAIN) {
		m.size = LAG_MAX;
		m.flags = MSG_SHOWN | (r->life.proven || k->head == 0 ? 0 : MSG_MUST_RESTORE);
	}
	auto_close int snapshot = r->life.from_start ? -1 : snapshot_open(k->views_fd, board_name(r->view));
	auto_close int reducer = definition_memfd(r->def);
	int fds[] = {reducer, snapshot}, error = error_passes(snapshot) ? snapshot : min(reducer, 0);
	bool sent = error == 0 && crew_send(h, &m, slice_of(board_name(r->view)), fds, snapshot >= 0 ? 2 : 1);
	if (sent)
		moves_in(k, r, h, &m);
	else
		worker_handle_drop_slot(h, m.slot);
	bool without = !sent && !h->full;
	if (without)
		lacks_way(k, r, error);
	return sent || without;
}

static struct resident *next_handover(const struct keeper *k)
{
	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		if (r->life.move == MOVE_PACKED && !r->handing.at_ms)
			return r;
	}
	return NULL;
}

bool keeper_hand_over_one(struct keeper *k)
{
	struct worker_handle *h = k->crew.workers[MAIN];
	struct resident *r = next_handover(k);
	struct message m;

	if (!r)
		return false;
	/* Both count the same changes from there on, so versions remain what they are. */
	if (!describe(h, r, r->parcel_version, &m)) {
		/* As it is leaving, nobody else could come in where it is. */
		resident_happens(k, r, LIFE_STAYS);
		return true;
	}
	m.flags = MSG_MUST_RESTORE | MSG_TRUSTED;
	auto_close int reducer = definition_memfd(r->def);
	int fds[] = {reducer, r->parcel_fd};
	bool sent = reducer >= 0 && crew_send(h, &m, slice_of(board_name(r->view)), fds, 2);
	if (sent) {
		r->heir = worker_handle_ref(h);
		r->heir_slot = m.slot;
		resident_happens(k, r, LIFE_OFFERED);
		return true;
	}
	worker_handle_drop_slot(h, m.slot);
	if (!h->full)
		resident_happens(k, r, LIFE_NOT_OFFERED);
	return false;
}
