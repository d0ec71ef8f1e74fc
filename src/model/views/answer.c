#include "base/clock.h"
#include "model/views/keeper_impl.h"

/* The resident that the worker has, whose name the packet says; NULL: it has no such one any more. */
static struct resident *own(struct keeper *k, const struct worker_handle *h, const struct packet *p)
{
	struct resident *r = resident_find(k, p->message.view);

	return r && r->worker == h ? r : NULL;
}

/* The same of one that it is to take over. What is said of an earlier offer, of another state, is not said of
 * this one. */
static struct resident *heirloom(struct keeper *k, const struct worker_handle *h, const struct packet *p)
{
	struct resident *r = resident_find(k, p->message.view);

	bool is_of_this = p->message.type == MSG_AGAIN || (r && p->message.version == r->parcel_version);

	return r && r->heir == h && is_of_this ? r : NULL;
}

/* A rendering (taken), or word that the last one still holds. */
static void take_state(struct keeper *k, struct worker_handle *h, const struct packet *p,
		       struct rendering *rendering)
{
	const struct message *m = &p->message;
	struct resident *r = own(k, h, p);
	struct rendering *now = NULL;

	if (!r)
		return rendering_unref(rendering);
	if (!board_take_state(k->board, r->view, r->id, h, m, rendering, &now))
		return;
	if ((m->flags & (MSG_STATE | MSG_SNAPSHOT)) && now && (r->again.tries || r->waits_for.text[0]))
		resident_happens(k, r, LIFE_HAS_ALL);
	if (r->life.save == SAVE_ASKED && (m->flags & (MSG_SNAPSHOT | MSG_NO_SNAPSHOT)))
		resident_save(k, r, m, now);
	rendering_unref(now);
}

/* What the worker was asked for did not come through. */
static void ask_for_state(struct keeper *k, struct resident *r, const char *why)
{
	board_ask_again(k->board, r->view, r->id);
	resident_lacks(k, r, LIFE_LACKS, why);
}

static void take_rendered(struct keeper *k, struct worker_handle *h, struct packet *p)
{
	struct resident *r = own(k, h, p);
	struct rendering *rendering;
	struct diag why;

	int error = rendering_of_packet(p, &rendering);
	if (error == 0) {
		k->let_go_ms = min(k->let_go_ms, clock_ms() + BOARD_KEEP_MS);
		return take_state(k, h, p, rendering);
	}
	diag_set(&why, error, "its state could not be taken over from its worker: %s", strerror(-error));
	if (r && error_passes(error))
		ask_for_state(k, r, why.text);
	else if (r)
		resident_breaks(k, r, why.text);
}

static void take_broken(struct keeper *k, struct worker_handle *h, const struct packet *p)
{
	const struct message *m = &p->message;
	struct resident *r = own(k, h, p), *taken = heirloom(k, h, p);
	struct diag why = {0};

	if (m->seq)
		diag_set(&why, 0, "event %llu at offset %llu: %.*s", (unsigned long long)m->seq,
			 (unsigned long long)m->off, (int)p->text.len, p->text.data);
	else
		diag_set_text(&why, 0, p->text);
	if (taken)
		resident_happens(k, taken, LIFE_STAYS);
	if (!r)
		return;
	resident_breaks(k, r, why.text);
	keeper_report(k, "the view %s is broken: %s", board_name(r->view), why.text);
}

/* The log can't be read now, or can again: whoever waits for the view is not to wait for that. */
static void take_stalled(struct keeper *k, struct worker_handle *h, const struct packet *p, bool stalled)
{
	struct resident *r = own(k, h, p);
	int len = (int)min(p->text.len, (size_t)400);

	if (!r || (r->life.stage == LIFE_STALLED) == stalled)
		return;
	diag_set(&r->why, 0, "%.*s", len, p->text.data);
	resident_happens(k, r, stalled ? LIFE_STALLS : LIFE_RESUMES);
	if (stalled)
		keeper_report(k, "the view %s: %.*s", board_name(r->view), len, p->text.data);
	else
		keeper_report(k, "the view %s goes on: the log can be read again", board_name(r->view));
}

static void take_added(struct keeper *k, struct worker_handle *h, const struct packet *p)
{
	const struct message *m = &p->message;
	struct resident *r = own(k, h, p), *taken = heirloom(k, h, p);

	if (taken)
		return resident_hears(k, taken, LIFE_TAKEN, p);
	if (!r || r->life.stage != LIFE_COMING)
		return;
	if (m->pos.off > 0) {
		r->snapshot.off = m->pos.off;
		r->snapshot.time = clock_unix();
	}
	/* Before it has folded, and lost, much. */
	worker_handle_measure(h);
	h->fresh = h->resident;
	resident_happens(k, r, LIFE_ADDED);
	board_take_added(k->board, r->view, r->id, p);
}

static void take_lags(struct keeper *k, struct worker_handle *h, const struct packet *p)
{
	struct resident *r = own(k, h, p), *taken = heirloom(k, h, p);

	if (taken)
		resident_happens(k, taken, LIFE_STAYS);
	else if (r)
		resident_happens(k, r, LIFE_LAGS);
}

static void take_holes(struct keeper *k, struct worker_handle *h, const struct packet *p)
{
	struct resident *r = own(k, h, p);

	if (r)
		board_take_holes(k->board, r->view, r->id, p);
}

/* The worker could not do it now. */
static void take_again(struct keeper *k, struct worker_handle *h, const struct packet *p)
{
	struct resident *r = own(k, h, p), *taken = heirloom(k, h, p);
	struct diag why;

	diag_set_text(&why, 0, p->text);
	if (taken)
		resident_happens(k, taken, LIFE_DEFERRED);
	else if (r && (p->message.flags & MSG_STATE))
		ask_for_state(k, r, why.text);
	else if (r)
		resident_lacks(k, r, LIFE_REFUSED, why.text);
}

static void take_changes(struct keeper *k, struct worker_handle *h)
{
	atomic_store(&h->shared->changed_sent, 0);
	board_take_changes(k->board, h);
}

/* It has nothing left to do: what it has not answered until now it won't. */
static void take_idle(struct keeper *k, struct worker_handle *h)
{
	take_changes(k, h);
	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		if (r->worker == h && r->life.save == SAVE_ASKED)
			resident_happens(k, r, LIFE_UNANSWERED);
	}
	if (!board_take_idle(k->board, h))
		atomic_store(&h->unsound, true);
}

static void take_report(struct keeper *k, struct worker_handle *h, const struct packet *p)
{
	if (worker_handle_may_report(h, clock_ms()))
		keeper_report(k, "%.*s", (int)min(p->text.len, (size_t)700), p->text.data);
}

static void take_lost(struct worker_handle *h, const struct packet *p)
{
	struct diag why;

	diag_set(&why, 0, "%.*s", (int)min(p->text.len, (size_t)200), p->text.data);
	h->lost_view = p->message.view;
	worker_handle_kill(h, h->lost_view ? BLAME_VIEW : BLAME_UNKNOWN, why.text);
}

void keeper_said(void *arg, struct worker_handle *h, struct packet *p)
{
	struct keeper *k = arg;

	switch (p->message.type) {
	case MSG_AT:
		return take_state(k, h, p, NULL);
	case MSG_RENDERED:
		return take_rendered(k, h, p);
	case MSG_CHANGED:
		return take_changes(k, h);
	case MSG_BROKEN:
		return take_broken(k, h, p);
	case MSG_ADDED:
		return take_added(k, h, p);
	case MSG_LAGS:
		return take_lags(k, h, p);
	case MSG_HOLES:
		return take_holes(k, h, p);
	case MSG_AGAIN:
		return p->message.view ? take_again(k, h, p) : crew_publish_again(&k->crew, h);
	case MSG_STALLED:
	case MSG_RESUMED:
		return take_stalled(k, h, p, p->message.type == MSG_STALLED);
	case MSG_REPORT:
		return take_report(k, h, p);
	case MSG_WEIGHT:
	case MSG_SPENT:
		return worker_handle_weight(h, &p->message);
	case MSG_LOST:
		return take_lost(h, p);
	case MSG_PONG:
		if (worker_handle_pong(h, &p->message))
			take_idle(k, h);
		return;
	default:
		return; /* the daemon believes nothing */
	}
}
