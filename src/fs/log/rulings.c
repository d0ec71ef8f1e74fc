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

	/* What has been said of one that came in pieces. */
	struct judged ahead;
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
	free(r->ahead.why);
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
	commit_wait(item);
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

/* The item's lines begin at `begin` in what the units are of. */
static bool gather_units(struct rulings *r, struct judged item, const struct unit *units, size_t begin)
{
	if (!list_room(r->items, r->n, r->cap, 32))
		return false;
	r->items[r->n++] = item;
	for (size_t i = 0; i < item.n; i++) {
		if (!list_room(r->units, r->n_units, r->cap_units, 1024))
			return false;
		r->units[r->n_units++] = (struct judged_unit){units[i].stored - begin, units[i].lines};
	}
	return true;
}

static bool gather_item(struct rulings *r, const struct verdict *v)
{
	/* Where units were dropped, the layouts are not those of what is left. */
	struct judged item = {.lines = v->lines, .layouts = v->begins ? NULL : v->layouts, .n = v->n_kept};

	return gather_units(r, item, v->kept, 0);
}

/* Now that they all stand where they will. */
static void find_units(struct rulings *r)
{
	size_t at = 0;

	for (size_t i = 0; i < r->n; i++) {
		r->items[i].units = r->units + at;
		at += r->items[i].n;
	}
}

/* The items of the run that bring something new, with their units. False: no memory. */
static bool gather(struct rulings *r, struct commit *first, struct commit *end)
{
	r->n = r->n_units = 0;
	for (struct commit *item = first; item != end; item = commit_next(item))
		if (item->verdict->n_kept > 0 && !gather_item(r, item->verdict))
			return false;
	find_units(r);
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

/* It is whole now. */
static int take_ahead(struct rulings *r, struct commit *item)
{
	if (r->ahead.let_in == item->verdict->n_kept)
		return 0;
	verdict_cut(item->verdict, r->ahead.let_in, r->ahead.error, take_ptr(r->ahead.why));
	return 1;
}

int rulings_hear(struct rulings *r, struct commit *first, struct commit *end, struct commit **ret_end)
{
	size_t n = 0;
	bool all = true;

	*ret_end = end;
	if (first->heard)
		return take_ahead(r, first);
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

/* False: it can't be asked about; then it is not, and no verdict is due. */
static bool ask_about(struct rulings *r, const struct piece *piece)
{
	struct judged item = {
	    .lines = piece->lines, .layouts = piece->layouts, .n = piece->n, .more = r->n > 0};

	size_t n = r->n, n_units = r->n_units;

	if (!gather_units(r, item, piece->units, piece->begin)) {
		r->n = n;
		r->n_units = n_units;
		return false;
	}
	find_units(r);
	r->stands = judge_ask(r->judge, &r->items[r->n - 1], 1);
	return r->stands == JUDGE_SITS;
}

/* An item that comes in pieces, and what is known of it. */
struct coming {
	struct eventlog *log;
	bool sync;
	bool writes; /* all that was let in is written ahead: no group has come, and no error */
	size_t told; /* of so many pieces */
	bool whole;  /* and all of these were let in */
};

static void write_ahead(struct coming *c, const struct judged *piece)
{
	for (size_t i = 0; i < piece->let_in; i++)
		c->writes &= piece->units[i].lines == 1;
	if (!c->writes || piece->let_in == 0)
		return;
	struct slice lines = {piece->lines.data, piece->units[piece->let_in - 1].end};
	/* Where that fails, the append says why. */
	c->writes = eventlog_write_ahead(c->log, lines, c->sync) == 0;
}

/* What is known of the next piece. False: nothing yet. */
static bool take_told(struct rulings *r, struct coming *c, bool wait)
{
	struct judged *piece = &r->items[c->told];
	size_t n;

	if (!judge_told(r->judge, piece, 1, wait, &n, &r->stands))
		return false;
	if (r->stands != JUDGE_SITS)
		return true;
	c->told++;
	c->whole = piece->let_in == piece->n;
	r->ahead.let_in += piece->let_in;
	r->ahead.error = piece->error;
	r->ahead.why = take_ptr(piece->why);
	write_ahead(c, piece);
	return true;
}

/* Of those that have been asked about, up to where the item ends. True: it has not ended. */
static bool take_all_told(struct rulings *r, struct coming *c, bool wait)
{
	while (c->told < r->n && c->whole && r->stands == JUDGE_SITS && take_told(r, c, wait))
		;
	return c->whole && r->stands == JUDGE_SITS;
}

bool rulings_hear_pieces(struct rulings *r, struct commit *item, struct eventlog *log)
{
	struct coming c = {.log = log, .sync = item->durable, .writes = true, .whole = true};
	bool asks = r->stands == JUDGE_SITS;
	struct piece piece;

	r->n = r->n_units = 0;
	r->ahead = (struct judged){0};
	for (size_t i = 0; asks && pieces_next(item->pieces, i, &piece); i++)
		asks = piece.n == 0 || (ask_about(r, &piece) && take_all_told(r, &c, false));
	take_all_told(r, &c, true);
	judge_drop(r->judge);
	return r->n > 0 && r->stands == JUDGE_SITS;
}

void rulings_appended(struct rulings *r, bool whole)
{
	free(take_ptr(r->ahead.why));
	judge_appended(r->judge, whole);
}
