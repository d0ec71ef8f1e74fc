#include <errno.h>

#include "base/clock.h"
#include "model/worker_impl.h"

#define LAG_BLOCK (128u << 10) /* how much of another pass the views at the head wait for */
#define TURN_NS 20000000ull    /* about as long it folds until it looks whether it is told something */
#define TURN_BYTES (1u << 20)  /* at most */
#define LONG_FOLD (1u << 20)   /* worth measuring */
#define DAMAGE_REPORTS 100

static bool folds(const struct worker_view *v)
{
	return !v->broken;
}

void worker_damaged(void *arg, const struct log_pos *before, struct slice line,
		    const struct json_error *error)
{
	struct worker *w = arg;

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

/* Of the views behind `head`, those that stand at the lowest or at the highest place. */
static bool find_place(struct worker *w, uint64_t head, bool highest, struct log_pos *ret)
{
	bool found = false;

	for (struct worker_view *v = w->views; v; v = v->next) {
		uint64_t off = v->view.pos.off;
		if (!folds(v) || off >= head)
			continue;
		if (!found || (highest ? off > ret->off : off < ret->off))
			*ret = v->view.pos;
		found = true;
	}
	return found;
}

/* Collects the views of a pass, and how far it can go until it meets the next one. */
static size_t gather(struct worker *w, uint64_t off, uint64_t head, uint64_t *ret_limit)
{
	size_t n = 0;

	*ret_limit = head;
	for (struct worker_view *v = w->views; v; v = v->next) {
		if (!folds(v))
			continue;
		if (v->view.pos.off == off)
			w->pass[n++] = &v->view;
		else if (v->view.pos.off > off)
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
		if (v->view.error)
			worker_break(w, v, v->view.error_seq, v->view.error_off, v->view.why.text);
		else
			worker_view_publish(w, v);
		measure(w, v, head);
	}
}

static void move_pass(struct worker *w, size_t n, const struct log_damage *damage, const struct log_pos *pos)
{
	if (damage->off >= w->damage_off) {
		w->damage_off = damage->off + 1;
		worker_report(w, "%llu bytes of the log at offset %llu are skipped: %s",
			      (unsigned long long)damage->len, (unsigned long long)damage->off, damage->what);
	}
	for (size_t i = 0; i < n; i++) {
		w->pass[i]->pos = *pos;
		container_of(w->pass[i], struct worker_view, view)->incomplete = true;
	}
}

static void fail_pass(struct worker *w, size_t n, uint64_t off, int error)
{
	struct diag why;

	diag_set(&why, error, "the log can't be read at offset %llu: %s", (unsigned long long)off,
		 strerror(-error));
	for (size_t i = 0; i < n; i++)
		worker_break(w, container_of(w->pass[i], struct worker_view, view), 0, 0, why.text);
}

/* How much of the log a turn takes, by how long the last one took. */
static void adapt(size_t *turn_bytes, size_t folded, uint64_t took)
{
	size_t next = *turn_bytes;

	if (took > TURN_NS)
		next = (size_t)((double)folded * (double)TURN_NS / (double)took);
	else if (took < TURN_NS / 2)
		next *= 2;
	*turn_bytes = next < 1 ? 1 : min(next, (size_t)TURN_BYTES);
}

static void fold_pass(struct worker *w, struct cursor *c, size_t *turn_bytes, const struct log_pos *place,
		      uint64_t head, size_t most)
{
	struct log_damage damage;
	struct slice block;
	uint64_t limit;

	size_t n = gather(w, place->off, head, &limit);
	for (size_t i = 0; i < n; i++)
		measure(w, container_of(w->pass[i], struct worker_view, view), head);
	c->pos = *place;
	int r = cursor_fill(c, limit, &block, &damage);
	if (r < 0 || (r == 0 && block.len == 0))
		return fail_pass(w, n, place->off, r < 0 ? r : -EIO);
	if (r == 1) {
		move_pass(w, n, &damage, &c->pos);
	} else {
		uint64_t begin = clock_ns();
		block = first_lines(block, min(most, *turn_bytes));
		fold_block(&w->fold, w->pass, n, &c->pos, block);
		adapt(turn_bytes, block.len, clock_ns() - begin);
	}
	after_pass(w, n, head);
}

bool worker_fold_turn(struct worker *w, uint64_t head)
{
	struct log_pos place;

	if (!find_place(w, head, true, &place))
		return false;
	fold_pass(w, &w->near, &w->near_bytes, &place, head, SIZE_MAX);
	/* Now the first pass is at the head, or as far as one block goes. */
	struct log_pos lowest;
	if (find_place(w, head, false, &lowest) && lowest.off < place.off)
		fold_pass(w, &w->far, &w->far_bytes, &lowest, head, LAG_BLOCK);
	return find_place(w, head, false, &place);
}
