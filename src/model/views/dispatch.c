#include <errno.h>

#include "model/views/keeper_impl.h"

uint64_t keeper_again_time(const struct keeper *k)
{
	uint64_t time = CLOCK_FOREVER;

	again_first(&k->taking, &time);
	for (size_t i = 0; i < k->n_residents; i++) {
		again_first(&k->residents[i]->again, &time);
		again_first(&k->residents[i]->handing, &time);
	}
	return time;
}

/* Those whose pause is over are asked for again. */
static void end_pauses(struct keeper *k)
{
	for (size_t i = 0; i < k->n_residents; i++) {
		struct resident *r = k->residents[i];
		if (again_is_due(&r->handing))
			r->handing.at_ms = 0;
		if (!again_is_due(&r->again))
			continue;
		r->again.at_ms = 0;
		resident_post(k, r);
	}
}

/* Asks it for what is waited for, of one view. */
static bool want_one(struct keeper *k, struct worker_handle *h)
{
	auto_free struct message *wants = NULL;
	bool sent = true;

	ssize_t n = board_next_wants(k->board, h, &wants);
	if (n <= 0)
		return false; /* where there is no memory the next turn tries it again */
	struct resident *r = resident_find(k, wants[0].view);
	for (ssize_t i = 0; i < n && sent; i++)
		sent = crew_send(h, &wants[i], (struct slice){0}, NULL, 0);
	if (sent || !r)
		return true;
	board_ask_again(k->board, r->view, r->id);
	if (!h->full)
		resident_lacks(k, r, LIFE_LACKS, "its worker cannot be asked");
	return false;
}

static void dispatch(struct keeper *k, unsigned which)
{
	struct worker_handle *h = k->crew.workers[which];

	if (!h || h->stopping)
		return;
	while (!h->full && !k->stop_ms && keeper_add_one(k, which))
		;
	while (which == MAIN && !h->full && !k->stop_ms && keeper_hand_over_one(k))
		;
	while (!h->full && want_one(k, h))
		;
	while (!h->full && keeper_save_one(k, h))
		;
}

void keeper_dispatch(struct keeper *k)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (k->crew.workers[i])
			k->crew.workers[i]->full = false;
	end_pauses(k);
	while (keeper_forget_one(k))
		;
	keeper_count_handovers(k);
	for (unsigned i = 0; i < WORKERS; i++)
		dispatch(k, i);
}
