#include "fs/log/rulings.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "fs/log/run.h"
#include "model/judge/judge.h"

struct rulings {
	struct judge *judge;
	unsigned timeout_ms;
	enum judge_stands stands;
	struct mail *aside, **last_aside;

	/* A run as the judge gets it. */
	struct judged *items;
	size_t n, cap;
	struct judged_unit *units;
	size_t n_units, cap_units;
};

int rulings_new(struct rulings **ret, struct judge *judge, unsigned timeout_ms)
{
	struct rulings *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->judge = judge;
	r->timeout_ms = timeout_ms;
	r->last_aside = &r->aside;
	*ret = r;
	return 0;
}

void rulings_free(struct rulings *r)
{
	if (!r)
		return;
	judge_end(r->judge);
	free(r->items);
	free(r->units);
	free(r);
}

void rulings_turn(struct rulings *r)
{
	r->stands = judge_turn(r->judge);
}

bool rulings_are_restless(const struct rulings *r)
{
	return r->stands == JUDGE_WAITS || r->aside;
}

bool rulings_hold(const struct rulings *r, const struct commit *item)
{
	return item->judged && r->stands == JUDGE_WAITS;
}

void rulings_put_aside(struct rulings *r, struct commit *item)
{
	if (!item->aside_ms)
		item->aside_ms = clock_ms();
	item->mail.next = NULL;
	*r->last_aside = &item->mail;
	r->last_aside = &item->mail.next;
}

/* 0, or what one is answered with who has stood aside for long enough. */
static int patience_of(const struct rulings *r, struct commit *item)
{
	static const char why[] =
	    "rules: they could not be asked in time; status.json says what they wait for";

	if (item->given_up && item->given_up(item))
		return -EINTR;
	if (clock_ms() - item->aside_ms < r->timeout_ms)
		return 0;
	verdict_reset(item->verdict);
	verdict_cut(item->verdict, 0, -EAGAIN, strdup(why));
	return -EAGAIN;
}

struct commit *rulings_next(struct rulings *r, bool all, int *ret_error)
{
	for (struct mail **at = &r->aside; *at; at = &(*at)->next) {
		struct commit *item = commit_of(*at);
		*ret_error = all ? -ESHUTDOWN : patience_of(r, item);
		if (*ret_error == 0 && r->stands == JUDGE_WAITS)
			continue;
		*at = item->mail.next;
		if (!*at)
			r->last_aside = at;
		return item;
	}
	return NULL;
}

static bool gather_item(struct rulings *r, const struct verdict *v)
{
	if (!list_room(r->items, r->n, r->cap, 32))
		return false;
	/* Where units were dropped, the layouts are not those of what is left. */
	r->items[r->n++] =
	    (struct judged){.lines = v->lines, .layouts = v->begins ? NULL : v->layouts, .n = v->n_kept};
	for (size_t i = 0; i < v->n_kept; i++) {
		if (!list_room(r->units, r->n_units, r->cap_units, 1024))
			return false;
		r->units[r->n_units++] = (struct judged_unit){v->kept[i].stored, v->kept[i].lines};
	}
	return true;
}

/* The items of the run that bring something new, with their units. False: no memory. */
static bool gather(struct rulings *r, struct commit *first, struct commit *end)
{
	size_t at = 0;

	r->n = r->n_units = 0;
	for (struct commit *item = first; item != end; item = commit_next(item))
		if (item->verdict->n_kept > 0 && !gather_item(r, item->verdict))
			return false;
	for (size_t i = 0; i < r->n; i++) {
		r->items[i].units = r->units + at;
		at += r->items[i].n;
	}
	return true;
}

static int refuse_all(struct commit *first, struct commit *end, int error, const char *why)
{
	for (struct commit *item = first; item != end; item = commit_next(item))
		if (item->verdict->n_kept > 0)
			verdict_cut(item->verdict, 0, error, strdup(why));
	return 1;
}

/* What was said of the first `n` of them; gives the item behind those. */
static struct commit *take_outcomes(struct rulings *r, struct commit *item, struct commit *end, size_t n,
				    bool *ret_all)
{
	for (size_t i = 0; item != end; item = commit_next(item)) {
		if (item->verdict->n_kept == 0)
			continue;
		if (i == n)
			break;
		struct judged *outcome = &r->items[i++];
		bool whole = outcome->let_in == outcome->n;
		*ret_all &= whole;
		/* Without an error: the rest has not been judged yet, and its writer comes back with it. */
		if (!whole)
			verdict_cut(item->verdict, outcome->let_in, outcome->error, take_ptr(outcome->why));
	}
	return item;
}

int rulings_hear(struct rulings *r, struct commit *first, struct commit *end, struct commit **ret_end)
{
	size_t n = 0;
	bool all = true;

	*ret_end = end;
	if (r->stands == JUDGE_ABSENT)
		return 0;
	if (!gather(r, first, end))
		return refuse_all(first, end, -ENOMEM, "rules: no memory to ask them");
	if (r->n == 0)
		return 0;
	if (r->stands == JUDGE_SITS)
		r->stands = judge_hear(r->judge, r->items, r->n, &n);
	if (r->stands == JUDGE_BROKEN)
		return refuse_all(first, end, -EIO, judge_why(r->judge));
	*ret_end = take_outcomes(r, first, end, n, &all);
	return !all || *ret_end != end;
}

void rulings_appended(struct rulings *r, bool whole)
{
	judge_appended(r->judge, whole);
}
