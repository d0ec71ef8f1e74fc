#include <errno.h>

#include "base/clock.h"
#include "base/process.h"
#include "model/worker/impl.h"

#define BRIEF_BLOCK (128u << 10) /* how much of another pass those who go first wait for */
#define TURN_NS 20000000ull      /* about as long it folds until it looks whether it is told something */
#define FAR_TURN_NS 5000000ull   /* while others go first */
#define FAR_SHARE 3              /* so many times as long go those first who go first */
#define FIRST_PIECE 1u           /* bytes: a line */
#define LONG_FOLD (1u << 20)     /* worth measuring */
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

/* Takes the views of a pass. */
static size_t gather(struct worker *w)
{
	size_t n = 0;

	for (struct worker_view *v = w->views; v; v = v->next)
		if (v->pacer.chosen)
			w->pass[n++] = &v->view;
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

/* It could not be read just now. That says nothing about the log: it is tried again, and nothing is left out.
 */
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
	uint64_t time = CLOCK_FOREVER;

	for (const struct worker_view *v = w->views; v; v = v->next)
		if (!v->broken && v->failures > 0)
			time = min(time, v->retry_ns);
	return time;
}

/* Folds the block, in pieces that grow: a slow reducer must not make it long until the next look at the
 * messages. */
static void fold_for_a_turn(struct worker *w, size_t n, struct log_pos *pos, struct slice block,
			    uint64_t most_ns)
{
	uint64_t begin = clock_ns(), cpu = process_cpu_ns(CLOCK_THREAD_CPUTIME_ID, 0), took = 0;
	size_t done = 0;

	for (size_t piece = FIRST_PIECE; done < block.len && took < most_ns; piece *= 2) {
		struct slice lines = first_lines((struct slice){block.data + done, block.len - done}, piece);
		fold_block(&w->fold, w->pass, n, pos, lines);
		done += lines.len;
		took = clock_ns() - begin;
	}
	pace_note(w->pacers, w->n_views, done, process_cpu_ns(CLOCK_THREAD_CPUTIME_ID, 0) - cpu);
}

/* How far a pass may go: nobody's next step is passed over. */
static uint64_t limit_of(struct worker *w, size_t n, const struct pace_pass *pass, uint64_t head)
{
	uint64_t grouped = atomic_load_explicit(&w->orders->grouped, memory_order_relaxed);
	uint64_t limit = pass->limit;

	if (likely(pass->off >= grouped))
		return limit;
	for (size_t i = 0; i < n; i++) {
		struct worker_view *v = container_of(w->pass[i], struct worker_view, view);
		if (v->step <= v->view.pos.off)
			v->step = head;
		limit = min(limit, v->step);
	}
	return limit;
}

static void fold_pass(struct worker *w, const struct pace_pass *pass, uint64_t head)
{
	struct cursor *c = pass->far ? &w->far : &w->near;
	uint64_t most_ns = pass->far && w->n_views > 1 ? FAR_TURN_NS : TURN_NS;
	struct log_damage damage;
	struct slice block;

	size_t n = gather(w);
	for (size_t i = 0; i < n; i++)
		measure(w, container_of(w->pass[i], struct worker_view, view), head);
	c->pos = w->pass[0]->pos;
	worker_mark_disk(w, true);
	int r = cursor_fill(c, limit_of(w, n, pass, head), &block, &damage);
	worker_mark_disk(w, false);
	/* A head without a line before it: the file is not what it was. */
	if (r < 0 || (r == 0 && block.len == 0))
		return fail_pass(w, n, r < 0 ? r : -EIO);
	succeed_pass(w, n);
	w->n_pass = n;
	if (r == 1)
		move_pass(w, n, &damage, &c->pos);
	else
		fold_for_a_turn(w, n, &c->pos, first_lines(block, pass->briefly ? BRIEF_BLOCK : SIZE_MAX),
				most_ns);
	after_pass(w, n, head);
}

static bool next_pass(struct worker *w, uint64_t head, struct pace_pass *ret)
{
	size_t n = 0;

	for (struct worker_view *v = w->views; v; v = v->next) {
		v->pacer.off = v->view.pos.off;
		v->pacer.rests = !folds(w, v);
		w->pacers[n++] = &v->pacer;
	}
	return pace_choose(w->pacers, n, head, w->far_wait_ns == 0, ret);
}

static void stop_at_damage(void *arg, const struct log_pos *before, struct slice line,
			   const struct json_error *error)
{
	*(bool *)arg = false;
}

bool worker_fold_ahead(struct worker *w, struct worker_view *v, const struct log_pos *to,
		       struct fold_mark *mark)
{
	struct view *view = &v->view;
	struct cursor *c = &w->far;
	struct log_damage damage;
	struct slice block;
	bool sound = true;

	w->fold.mark = mark;
	w->fold.damaged = stop_at_damage;
	w->fold.arg = &sound;
	c->pos = view->pos;
	while (sound && !view->error && c->pos.off < to->off) {
		if (cursor_fill(c, to->off, &block, &damage) != 0 || block.len == 0)
			return false;
		fold_block(&w->fold, &view, 1, &c->pos, block);
	}
	return sound && !view->error && view->pos.off == to->off && view->pos.seq == to->seq &&
	       view->pos.hash == to->hash;
}

bool worker_fold_turn(struct worker *w, uint64_t head)
{
	struct pace_pass pass;

	if (!next_pass(w, head, &pass))
		return false;
	uint64_t begin = clock_ns();
	fold_pass(w, &pass, head);
	uint64_t took = clock_ns() - begin;
	w->far_wait_ns = pass.far ? FAR_SHARE * took : w->far_wait_ns - min(took, w->far_wait_ns);
	return next_pass(w, head, &pass);
}
