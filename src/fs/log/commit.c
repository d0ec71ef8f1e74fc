#include "fs/log/commit_impl.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "model/judge/judge.h"

/* How often others may run before the next commit where several write at once: a sync costs the same for
 * one line and for ten. Nobody else to run: it takes a few µs. */
#define GIVE_WAY 10
/* Where many write at once (gather.h) a sync waits as long as somebody has come within this time, and no
 * longer than that in all: who is there already pays for it. */
#define GATHER_US 600
#define GATHER_US_IN_ALL 4000

const unsigned commit_bounds_us[COMMIT_BUCKETS] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 2500000,
};

/* What goes to no disk at once brings no other's sync forward, and its writer may go on for ever. */
static bool is_waited_for(const struct committer *c, const struct commit *item)
{
	return (item->durable || item->waits) && c->options.sync != SYNC_NONE;
}

static void note_time(struct committer *c, uint64_t ns)
{
	size_t i = 0;

	while (i < COMMIT_BUCKETS && ns > commit_bounds_us[i] * UINT64_C(1000))
		i++;
	atomic_fetch_add_explicit(&c->took[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->took_ns, ns, memory_order_relaxed);
}

static int append_lines(struct committer *c, struct run *run, bool sync, size_t *ret_stored)
{
	if (unlikely(c->sharing))
		return sharing_append(c->sharing, run, c->runs.groups, sync, ret_stored);
	return eventlog_append_groups(c->log, run->lines, c->runs.groups, run->n_groups, sync, ret_stored);
}

static int sync_log(struct committer *c)
{
	int r = eventlog_sync(c->log);

	c->unsynced = r < 0;
	if (r == 0 && c->sharing)
		sharing_synced(c->sharing);
	return r;
}

/* Appends a run: an error goes to every item that is not wholly in the log. */
static int append_run(struct committer *c, struct run *run, size_t *ret_stored)
{
	bool sync = run->durable && c->options.sync != SYNC_NONE;
	int r = 0;

	*ret_stored = 0;
	uint64_t begin = clock_ns();
	if (run->lines.len > 0) {
		r = append_lines(c, run, sync, ret_stored);
		c->unsynced |= r == 0 && !sync;
	} else if (unlikely(run_has_once(run))) {
		/* What is said to be there already has to be in the log that others find. */
		r = eventlog_check(c->log);
	}
	if (r == 0 && sync && c->unsynced)
		r = sync_log(c);
	if (run->lines.len > 0)
		note_time(c, clock_ns() - begin);
	return r;
}

static void answer_run(struct committer *c, const struct run *run, int error, size_t stored)
{
	struct log_pos head = eventlog_head(c->log);
	size_t left = stored, total = 0;

	for (struct commit *item = run->first, *next; item != run->end; item = next) {
		next = commit_next(item);
		size_t mine = min(left, commit_lines(item).len);
		left -= mine;
		total += item->lines.len;
		/* On a full disk all that is stored is synced. After any other error nothing is certain,
		 * not even for one who has brought no lines and only asks for a sync. */
		bool whole = mine == commit_lines(item).len && (error == 0 || eventlog_is_full(error));
		int result = whole ? 0 : error;
		if (unlikely(item->verdict)) {
			item->verdict->stored = mine;
			mine = verdict_counts(item->verdict, mine);
			result = whole ? item->verdict->error : error;
		}
		atomic_fetch_sub(&c->waiting, is_waited_for(c, item));
		item->why = result < 0 && c->sharing ? sharing_why(c->sharing) : NULL;
		item->done(item, result, mine, &head);
	}
	atomic_fetch_sub(&c->backlog, total);
}

/* One that has not come into a run. */
void committer_answer_alone(struct committer *c, struct commit *item, int error)
{
	struct run run = {.first = item, .end = commit_next(item)};

	answer_run(c, &run, error, 0);
}

static bool log_has_failed(struct committer *c)
{
	struct eventlog_stats stats;

	eventlog_stats(c->log, &stats);
	return stats.failed;
}

/* What nobody is asked about is written as it comes, up to a group: that is to be noted first. */
static int write_pieces(struct committer *c, struct commit *item)
{
	struct piece piece;
	int r = 0;

	for (size_t i = 0; r == 0 && pieces_next(item->pieces, i, &piece); i++)
		r = piece_has_group(&piece) ? 1 : eventlog_write_ahead(c->log, piece.lines, item->durable);
	/* How much there is room for the append finds out. */
	return eventlog_is_full(r) ? 0 : min(r, 0);
}

/* One that is still coming is whole then, and as far as that can be it is on its way to the disk, and the
 * rules have said of it what they have to say. */
static int take_pieces(struct committer *c, struct commit *item)
{
	int r = 0;

	if (likely(!item->pieces))
		return 0;
	bool wanted = !log_has_failed(c) && !(item->refusal && item->refusal(item) < 0);
	if (wanted && item->judged)
		item->heard = rulings_hear_pieces(c->rulings, item, c->log);
	else if (wanted)
		r = write_pieces(c, item);
	if (item->judged && !item->heard)
		eventlog_drop_ahead(c->log);
	commit_wait(item);
	return r;
}

/* The next run of items, up to a seal, as far as it is let in. 0, or the error that the first is refused
 * with. 1: the rules can't be asked about it now. */
static int prepare_run(struct committer *c, struct commit *item, struct run *run, bool *ret_heard)
{
	*ret_heard = false;
	if (unlikely(c->sharing))
		sharing_turn(c->sharing, item);
	struct log_pos head = eventlog_head(c->log);
	int r = run_make(&c->runs, item, &head, run);
	if (r < 0 || likely(!item->judged))
		return r;
	/* What a dead log would not take needs no verdict: each would cost a judge. */
	if (log_has_failed(c))
		return -EROFS;
	r = c->sharing ? sharing_check(c->sharing) : 0;
	if (r < 0)
		return r;
	r = rulings_hear(c->rulings, run->first, run->end, &run->end);
	if (run->end == run->first)
		return 1;
	*ret_heard = true;
	return r > 0 ? run_make_again(&c->runs, run) : r;
}

/* Gives the item behind the next run; `item` itself where the rules can't be asked now. */
static struct commit *commit_run(struct committer *c, struct commit *item)
{
	struct run run;
	bool heard = false;
	size_t stored;
	int r;

	int failed = take_pieces(c, item);
	do {
		stored = 0;
		r = failed < 0 ? failed : prepare_run(c, item, &run, &heard);
		if (r > 0)
			return item;
		if (r < 0)
			run = (struct run){.first = item, .end = commit_next(item)};
		else
			r = append_run(c, &run, &stored);
		heard |= item->heard;
		if (unlikely(heard))
			rulings_appended(c->rulings, r == 0 && stored == run.lines.len);
		/* Of one that is refused after all. */
		eventlog_drop_ahead(c->log);
		/* Others were before it: the rules are asked again, once they have seen what that was. */
		if (unlikely(r > 0 && heard))
			rulings_turn(c->rulings);
	} while (r > 0);
	/* About what comes behind the rules have said something that is not so now: they are asked again. */
	if (unlikely(heard) && eventlog_is_full(r))
		run.end = run_behind_short(&run, stored);
	item = run.end;
	/* Those who wait for the disk first: whoever looks at a view now asks for the head as it is. */
	answer_run(c, &run, r, stored);
	if (stored > 0)
		c->options.moved(c->options.arg);
	return item;
}

/* Those who need not stand aside any more come before the rest. */
static struct commit *bring_back(struct committer *c, struct commit *rest, bool all)
{
	struct mail *list = NULL, **last = &list;
	struct commit *item;
	int error;

	while ((item = rulings_next(c->rulings, all, &error))) {
		if (error < 0) {
			committer_answer_alone(c, item, error);
			continue;
		}
		*last = &item->mail;
		last = &item->mail.next;
	}
	*last = rest ? &rest->mail : NULL;
	return commit_of(list);
}

static bool stands_aside(struct committer *c, struct commit *item)
{
	if (likely(!item->judged))
		return false;
	rulings_turn(c->rulings);
	return rulings_hold(c->rulings, item);
}

static void commit_all(struct committer *c, struct commit *item)
{
	if (c->rulings && rulings_are_restless(c->rulings)) {
		rulings_turn(c->rulings);
		item = bring_back(c, item, false);
	}
	if (c->sharing && !item && sharing_has_to_tell(c->sharing))
		sharing_turn(c->sharing, NULL);
	while (item) {
		struct commit *next = commit_next(item);
		if (item->seal)
			committer_answer_seal(c, item);
		else if (stands_aside(c, item))
			rulings_put_aside(c->rulings, item);
		else if ((next = commit_run(c, item)) == item) {
			/* The rules can't be asked now. */
			next = commit_next(item);
			rulings_put_aside(c->rulings, item);
		}
		item = next;
	}
	committer_rotate_if_due(c);
}

/* As long as that brings more of them. */
static void give_way(struct committer *c)
{
	unsigned before, now = committer_waiting(c);

	do {
		before = now;
		for (unsigned i = 0; i < GIVE_WAY && now > 1; i++) {
			sched_yield();
			now = committer_waiting(c);
		}
	} while (now > before);
}

/* While the rules are not ready, and while somebody waits for that; and a little after an append that others
 * keep until it is settled here. */
static uint64_t wake_time(const struct committer *c)
{
	if (c->rulings && rulings_are_restless(c->rulings))
		return clock_us() + JUDGE_TICK_MS * UINT64_C(1000);
	return c->sharing && sharing_has_to_tell(c->sharing) ? clock_us() + SHARING_TELL_US : CLOCK_FOREVER;
}

/* Waits for those who are about to come, where many write at once. Until somebody is there that costs
 * nothing. */
static void gather(struct committer *c)
{
	unsigned wanted = gather_wanted(&c->gather);

	if (wanted == 0 || (c->rulings && rulings_are_restless(c->rulings)))
		return;
	unsigned there = mailbox_gather(&c->box, 1, wake_time(c)), before, n = committer_waiting(c);
	uint64_t begin = clock_us(), now = begin;
	do {
		if (there == 0 || n >= wanted)
			return;
		before = there;
		there = mailbox_gather(&c->box, there + wanted - n, now + GATHER_US);
		n = committer_waiting(c);
		now = clock_us();
	} while (there > before && now - begin < GATHER_US_IN_ALL);
}

static void note_gathered(struct committer *c, struct mail *mail)
{
	unsigned waiting = 0, others = 0;

	for (; mail && waiting < GATHER_MOST; mail = mail->next) {
		bool waits = is_waited_for(c, commit_of(mail));
		waiting += waits;
		others += !waits;
	}
	if (waiting + others > 0)
		gather_note(&c->gather, waiting, others);
}

/* Nobody stands aside any more. Whose write is answered may have closed meanwhile, with a line of his own. */
static void end_rulings(struct committer *c)
{
	struct commit *rest;

	do {
		rest = bring_back(c, commit_of(mailbox_take_all(&c->box, MAILBOX_NOW)), true);
		commit_all(c, rest);
	} while (rest || !mailbox_is_over(&c->box));
}

static void commit_thread(void *arg)
{
	struct committer *c = arg;
	struct mail *mail;

	while ((mail = mailbox_take_all(&c->box, wake_time(c))) || !mailbox_is_over(&c->box)) {
		note_gathered(c, mail);
		commit_all(c, commit_of(mail));
		give_way(c);
		gather(c);
	}
	if (c->rulings)
		end_rulings(c);
	rulings_free(take_ptr(c->rulings));
	/* What was appended without a sync is not left to chance at an orderly end. A failure here was
	 * promised to nobody. */
	if (c->unsynced && eventlog_sync(c->log) == 0)
		c->unsynced = false;
}

static void nudged(struct commit *item, int error, size_t stored, const struct log_pos *head)
{
	struct committer *c = container_of(item, struct committer, nudge);

	atomic_store(&c->is_nudged, false);
	rulings_turn(c->rulings);
	if (c->sharing)
		sharing_turn(c->sharing, NULL);
}

void committer_turn(struct committer *c)
{
	rulings_turn(c->rulings);
}

void commit_nudge(struct committer *c)
{
	if (c->rulings && !atomic_exchange(&c->is_nudged, true))
		commit_queue(c, &c->nudge);
}

int committer_start(struct committer **ret, struct eventlog *log, const struct committer_options *options)
{
	struct committer *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->log = log;
	c->options = *options;
	c->nudge.done = nudged;
	c->runs.most = options->cluster ? BATCH_LINES : LIMIT_QUEUE;
	int r = options->ids ? decider_new(&c->runs.decider, options->ids) : 0;
	if (r == 0 && options->judge)
		r = rulings_new(&c->rulings, options->judge, options->judge_wait_ms);
	if (r == 0 && options->cluster)
		r = committer_share(c);
	if (r == 0)
		r = mailbox_start(&c->box, commit_thread, c);
	if (r < 0) {
		sharing_free(c->sharing);
		rulings_free(c->rulings);
		runs_deinit(&c->runs);
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void committer_stop(struct committer *c)
{
	if (!c)
		return;
	mailbox_stop(&c->box);
	assert(c->backlog == 0);
	sharing_free(c->sharing);
	runs_deinit(&c->runs);
	free(c);
}

void commit_queue(struct committer *c, struct commit *item)
{
	if (c->sharing)
		item->since_ms = clock_ms();
	atomic_fetch_add(&c->waiting, is_waited_for(c, item));
	atomic_fetch_add(&c->backlog, item->lines.len);
	mailbox_post(&c->box, &item->mail);
}

void commit_came(struct committer *c, struct commit *item)
{
	atomic_fetch_add(&c->backlog, item->lines.len);
	pieces_end(item->pieces);
}

void commit_seal(struct committer *c, struct commit *item)
{
	item->seal = true;
	mailbox_post(&c->box, &item->mail);
}

unsigned committer_waiting(struct committer *c)
{
	return atomic_load(&c->waiting);
}

size_t committer_backlog(struct committer *c)
{
	return atomic_load(&c->backlog);
}

void committer_stats(struct committer *c, struct committer_stats *ret)
{
	for (size_t i = 0; i < countof(ret->took); i++)
		ret->took[i] = atomic_load_explicit(&c->took[i], memory_order_relaxed);
	ret->took_ns = atomic_load_explicit(&c->took_ns, memory_order_relaxed);
	ret->rotations = atomic_load_explicit(&c->rotations, memory_order_relaxed);
}
