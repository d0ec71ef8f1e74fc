#include <errno.h>

#include "base/clock.h"
#include "model/worker_impl.h"

#define LAG_BLOCK (128u << 10) /* how much of another pass the views at the head wait for */
#define TURN_NS 20000000ull    /* about as long it folds until it looks whether it is told something */
#define FIRST_PIECE 1u         /* bytes: a line */
#define SLOW_NS 5000000ull     /* a pass of this time is worth a look: */
#define SLOW_NS_PER_BYTE 1000  /* a view that takes more is slow */
#define LONG_FOLD (1u << 20)   /* worth measuring */
#define DAMAGE_REPORTS 100
#define RETRY_NS                                                                                             \
	10000000ull /* after the first failure to read the log; twice as long after each further one, */
#define RETRY_MAX_NS 20000000000ull
#define STALLED 6 /* failures in a row that the daemon is told of: until then those who look wait */

static bool folds(const struct worker *w, const struct worker_view *v)
{
	return !v->broken && (v->failures == 0 || v->retry_ns <= w->now);
}

static void add_hole(struct worker_view *v, const struct hole *hole)
{
	holes_add(&v->holes, hole);
	v->holes_turn++;
}

void worker_damaged(void *arg, const struct log_pos *before, struct slice line,
		    const struct json_error *error)
{
	const struct hole hole = {
	    .off = before->off,
	    .end = before->off + line.len + 1,
	    .seq = before->seq,
	    .events = 1,
	    .no_event = true,
	};
	struct worker *w = arg;

	for (size_t i = 0; i < w->n_pass; i++)
		if (!w->pass[i]->error)
			add_hole(container_of(w->pass[i], struct worker_view, view), &hole);
	/* Each pass over the same line meets it again. */
	if (before->off < w->damage_off)
		return;
	w->damage_off = before->off + 1;
	if (w->damage_count++ < DAMAGE_REPORTS)
		worker_report(
		    w,
		    "line %llu of the log, at offset %llu, is no event: %s (at its byte %zu); views skip it",
		    (unsigned long long)before->seq + 1, (unsigned long long)before->off, error->why,
		    error->at);
}

/* Of the views behind `head`, those that stand at the lowest place, or of those that are not slow at the highest. */
static bool find_place(struct worker *w, uint64_t head, bool highest, struct log_pos *ret)
{
	bool found = false;

	for (struct worker_view *v = w->views; v; v = v->next) {
		uint64_t off = v->view.pos.off;
		if (!folds(w, v) || off >= head || (highest && v->pace == PACE_SLOW))
			continue;
		if (!found || (highest ? off > ret->off : off < ret->off))
			*ret = v->view.pos;
		found = true;
	}
	return found;
}

static bool is_slow_at(const struct worker *w, uint64_t off)
{
	for (const struct worker_view *v = w->views; v; v = v->next)
		if (folds(w, v) && v->pace == PACE_SLOW && v->view.pos.off == off)
			return true;
	return false;
}

/* Collects the views of a pass, of the quickest sort that there is but none quicker than `pace`, and how far it can go until it meets the
 * next one that it goes on with. */
static size_t gather(struct worker *w, uint64_t off, uint64_t head, enum pace pace, uint64_t *ret_limit)
{
	enum pace found = PACE_SLOW;
	size_t n = 0;

	for (struct worker_view *v = w->views; v; v = v->next)
		if (folds(w, v) && v->view.pos.off == off && v->pace >= pace)
			found = min(found, v->pace);
	*ret_limit = head;
	for (struct worker_view *v = w->views; v; v = v->next) {
		if (!folds(w, v))
			continue;
		/* Which of them is slow shows when they go one by one. */
		if (v->view.pos.off == off && v->pace == found && !(found == PACE_UNKNOWN && n > 0))
			w->pass[n++] = &v->view;
		else if (v->view.pos.off > off && v->pace <= found)
			*ret_limit = min(*ret_limit, v->view.pos.off);
	}
	return n;
}

static struct slice first_lines(struct slice block, size_t most)
{
	if (block.len <= most)
		return block;
	const char *newline = memrchr(block.data, '\n', most);
	if (!newline)
		newline = memchr(block.data + most, '\n', block.len - most);
	block.len = (size_t)(newline - block.data) + 1;
	return block;
}

static void measure(struct worker *w, struct worker_view *v, uint64_t head)
{
	uint64_t seq = v->view.pos.seq;

	if (v->lag_time == 0 && head - v->view.pos.off > LONG_FOLD) {
		v->lag_time = w->now;
		v->lag_seq = seq;
	} else if (v->lag_time != 0) {
		uint64_t passed = clock_ns() - v->lag_time;
		if (passed > 1000000)
			v->rate = (uint64_t)((double)(seq - v->lag_seq) * 1e9 / (double)passed);
		if (v->view.pos.off >= head)
			v->lag_time = 0;
	}
}

static void after_pass(struct worker *w, size_t n, uint64_t head)
{
	for (size_t i = 0; i < n; i++) {
		struct worker_view *v = container_of(w->pass[i], struct worker_view, view);
		if (v->view.error == -ENOMEM && worker_is_short(w))
			w->exhausted = true; /* whose doing that is shows when it is weighed */
		else if (v->view.error)
			worker_break(w, v, v->view.error_seq, v->view.error_off, v->view.why.text);
		else
			worker_view_publish(w, v);
		measure(w, v, head);
	}
}

static void move_pass(struct worker *w, size_t n, const struct log_damage *damage, const struct log_pos *pos)
{
	const struct hole hole = {
	    .off = damage->off,
	    .end = damage->off + damage->len,
	    .seq = damage->seq,
	    .events = damage->events,
	    .uncounted = !damage->counted,
	};

	if (damage->off >= w->damage_off) {
		w->damage_off = damage->off + 1;
		worker_report(w, "%llu bytes of the log at offset %llu are skipped: %s",
			      (unsigned long long)damage->len, (unsigned long long)damage->off, damage->what);
	}
	for (size_t i = 0; i < n; i++) {
		w->pass[i]->pos = *pos;
		add_hole(container_of(w->pass[i], struct worker_view, view), &hole);
	}
}

static void stall(struct worker *w, struct worker_view *v, int error)
{
	struct message m = {.type = MSG_STALLED, .view = v->view.id, .off = v->view.pos.off};
	struct diag why;

	diag_set(&why, error, "the log can't be read at offset %llu: %s; it is tried again",
		 (unsigned long long)m.off, strerror(-error));
	worker_send(w, &m, slice_of(why.text), NULL, 0);
}

/* It could not be read just now. That says nothing about the log: it is tried again, and nothing is left out. */
static void fail_pass(struct worker *w, size_t n, int error)
{
	uint64_t now = clock_ns();

	if (worker_is_lost(error))
		return worker_lost(w, 0, "its descriptors were closed");
	for (size_t i = 0; i < n; i++) {
		struct worker_view *v = container_of(w->pass[i], struct worker_view, view);
		unsigned doubled = min(v->failures, 20u);
		v->retry_ns = now + min(RETRY_NS << doubled, RETRY_MAX_NS);
		if (++v->failures == STALLED)
			stall(w, v, error);
	}
}

static void succeed_pass(struct worker *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct worker_view *v = container_of(w->pass[i], struct worker_view, view);
		struct message m = {.type = MSG_RESUMED, .view = v->view.id};
		if (v->failures >= STALLED)
			worker_send(w, &m, (struct slice){0}, NULL, 0);
		v->failures = 0;
	}
}

uint64_t worker_retry_time(const struct worker *w)
{
	uint64_t time = UINT64_MAX;

	for (const struct worker_view *v = w->views; v; v = v->next)
		if (!v->broken && v->failures > 0)
			time = min(time, v->retry_ns);
	return time;
}

/* A slow view must not hold up those that stand at the same place. */
static void note_pace(struct worker *w, size_t n, size_t folded, uint64_t took)
{
	bool slow = took > SLOW_NS && took / SLOW_NS_PER_BYTE > folded;

	if (n > 1 && !slow)
		return;
	for (size_t i = 0; i < n; i++) {
		struct worker_view *v = container_of(w->pass[i], struct worker_view, view);
		if (n == 1)
			v->pace = slow ? PACE_SLOW : PACE_QUICK;
		else if (v->pace == PACE_QUICK)
			v->pace = PACE_UNKNOWN;
	}
}

/* Folds the block, in pieces that grow: a slow reducer must not make it long until the next look at the messages. */
static void fold_for_a_turn(struct worker *w, size_t n, struct log_pos *pos, struct slice block)
{
	uint64_t begin = clock_ns(), took = 0;
	size_t done = 0;

	for (size_t piece = FIRST_PIECE; done < block.len && took < TURN_NS; piece *= 2) {
		struct slice lines = first_lines((struct slice){block.data + done, block.len - done}, piece);
		fold_block(&w->fold, w->pass, n, pos, lines);
		done += lines.len;
		took = clock_ns() - begin;
	}
	note_pace(w, n, done, took);
}

static void fold_pass(struct worker *w, struct cursor *c, const struct log_pos *place, uint64_t head,
		      enum pace pace, size_t most)
{
	struct log_damage damage;
	struct slice block;
	uint64_t limit;

	size_t n = gather(w, place->off, head, pace, &limit);
	for (size_t i = 0; i < n; i++)
		measure(w, container_of(w->pass[i], struct worker_view, view), head);
	c->pos = *place;
	worker_mark_disk(w, true);
	int r = cursor_fill(c, limit, &block, &damage);
	worker_mark_disk(w, false);
	/* A head without a line before it: the file is not what it was. */
	if (r < 0 || (r == 0 && block.len == 0))
		return fail_pass(w, n, r < 0 ? r : -EIO);
	succeed_pass(w, n);
	w->n_pass = n;
	if (r == 1)
		move_pass(w, n, &damage, &c->pos);
	else
		fold_for_a_turn(w, n, &c->pos, first_lines(block, most));
	after_pass(w, n, head);
}

bool worker_fold_turn(struct worker *w, uint64_t head)
{
	struct log_pos high, low;
	bool near = find_place(w, head, true, &high), far = find_place(w, head, false, &low);

	/* The first pass goes to the head, or as far as one block goes. Those who lag or are slow have every other turn. */
	bool left = near && low.off == high.off;
	far = far && (!left || is_slow_at(w, low.off));
	if (near && (!far || !w->far_due)) {
		fold_pass(w, &w->near, &high, head, PACE_QUICK, SIZE_MAX);
		w->far_due = true;
	} else if (far) {
		fold_pass(w, &w->far, &low, head, left ? PACE_SLOW : PACE_QUICK, LAG_BLOCK);
		w->far_due = false;
	}
	return find_place(w, head, false, &low);
}
