#include "model/engine/fold.h"

#include <errno.h>
#include <stdio.h>

void view_init(struct view *v, uint32_t id, struct reducer *reducer, const struct log_pos *pos)
{
	*v = (struct view){.id = id, .reducer = reducer, .pos = *pos};
}

void view_deinit(struct view *v)
{
	reducer_free(v->reducer);
	v->reducer = NULL;
}

static inline void mark_begin(struct fold_mark *mark, enum fold_phase phase, uint32_t view)
{
	atomic_store_explicit(&mark->view, view, memory_order_relaxed);
	atomic_store_explicit(&mark->phase, phase, memory_order_relaxed);
}

static inline void mark_end(struct fold_mark *mark)
{
	atomic_store_explicit(&mark->phase, FOLD_IDLE, memory_order_relaxed);
}

static void set_broken(struct view *v, int error, const struct diag *why)
{
	v->error = error;
	if (why->text[0])
		v->why = *why;
	else
		diag_set(&v->why, error, "the reducer returned %d", error);
}

int view_write(struct view *v, struct fold_mark *mark, struct buf *out)
{
	struct diag why = {0};

	mark_begin(mark, FOLD_WRITING, v->id);
	int r = v->reducer->class->write(v->reducer, out, &why);
	mark_end(mark);
	if (r == 0)
		r = buf_error(out);
	if (r < 0)
		set_broken(v, r, &why);
	return r;
}

int view_save(struct view *v, struct fold_mark *mark, struct diag *diag)
{
	diag->text[0] = '\0';
	mark_begin(mark, FOLD_WRITING, v->id);
	int r = v->reducer->class->save(v->reducer, diag);
	mark_end(mark);
	return r;
}

int view_restore(struct view *v, struct fold_mark *mark, const struct log_pos *pos, struct diag *diag)
{
	diag->text[0] = '\0';
	mark_begin(mark, FOLD_READING, v->id);
	int r = v->reducer->class->restore(v->reducer, diag);
	mark_end(mark);
	if (r < 0)
		return r;
	v->pos = *pos;
	v->error = 0;
	v->version++;
	return 0;
}

void view_forget(struct view *v)
{
	v->reducer->class->forget(v->reducer);
}

void fold_init(struct fold *f, struct fold_mark *mark)
{
	*f = (struct fold){.mark = mark};
}

void fold_deinit(struct fold *f)
{
	event_deinit(&f->event);
}

/* The view breaks on the event that begins at `before`; the line before that is in the block, or is the one
 * that the view's place knows already. */
static void break_view(struct view *v, int error, const struct diag *why, const struct log_pos *before,
		       struct slice last_line)
{
	uint64_t hash = v->pos.hash;

	v->pos = *before;
	v->pos.hash = last_line.data ? log_hash(last_line) : hash;
	set_broken(v, error, why);
	v->error_seq = before->seq + 1;
	v->error_off = before->off;
}

/* One event into all views that are not broken. `before`: where its line begins. */
static void fold_event(struct fold *f, struct view **views, size_t n, const struct log_pos *before,
		       struct slice last_line)
{
	struct fold_mark *mark = f->mark;
	struct diag why;

	f->event.pub.seq = before->seq + 1;
	f->event.pub.off = before->off;
	f->event.fail = &why;
	atomic_store_explicit(&mark->seq, before->seq + 1, memory_order_relaxed);
	atomic_store_explicit(&mark->off, before->off, memory_order_relaxed);
	for (size_t i = 0; i < n; i++) {
		struct view *v = views[i];
		if (unlikely(v->error))
			continue;
		why.text[0] = '\0';
		f->event.no_memory = false;
		mark_begin(mark, FOLD_FOLDING, v->id);
		int r = v->reducer->class->fold(v->reducer, &f->event, &why);
		if (unlikely(f->event.no_memory))
			r = diag_set(&why, -ENOMEM, "out of memory");
		if (r > 0)
			v->version++;
		else if (unlikely(r < 0))
			break_view(v, r, &why, before, last_line);
	}
	mark_end(mark);
	f->event.fail = NULL;
}

/* The line could not be looked at: nobody knows what it is, so nobody may go on without it. */
static void fail_event(struct view **views, size_t n, const struct log_pos *before, struct slice last_line)
{
	struct diag why;

	diag_set(&why, 0, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (!views[i]->error)
			break_view(views[i], -ENOMEM, &why, before, last_line);
}

bool fold_scan(struct fold *f, const struct log_pos *pos, struct slice line,
	       const struct event_layout *layout, struct json_error *ret_error)
{
	if (layout)
		event_lay_out(&f->event, line, layout);
	else if (!event_scan(&f->event, line, ret_error))
		return false;
	f->event.pub.seq = pos->seq + 1;
	f->event.pub.off = pos->off;
	atomic_store_explicit(&f->mark->seq, pos->seq + 1, memory_order_relaxed);
	atomic_store_explicit(&f->mark->off, pos->off, memory_order_relaxed);
	return true;
}

void fold_scanned(struct fold *f, struct view **views, size_t n, struct log_pos *pos, struct slice last,
		  struct slice line)
{
	f->events++;
	fold_event(f, views, n, pos, last);
	pos->off += line.len + 1;
	pos->seq++;
	for (size_t i = 0; i < n; i++)
		if (!views[i]->error)
			views[i]->pos = *pos;
}

void fold_settle(struct view **views, size_t n, struct log_pos *pos, struct slice last)
{
	if (!last.data)
		return;
	pos->hash = log_hash(last);
	for (size_t i = 0; i < n; i++)
		if (!views[i]->error)
			views[i]->pos.hash = pos->hash;
}

static bool is_blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
			return false;
	return true;
}

void fold_block(struct fold *f, struct view **views, size_t n, struct log_pos *pos, struct slice block)
{
	const char *at = block.data, *end = slice_end(block);
	struct slice line = {0};
	struct log_pos before = *pos;
	struct json_error error;

	while (at < end) {
		struct slice last = line;
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		line = (struct slice){at, (size_t)(newline - at)};
		if (likely(event_scan(&f->event, line, &error))) {
			f->events++;
			fold_event(f, views, n, &before, last);
		} else if (unlikely(f->event.no_memory)) {
			fail_event(views, n, &before, last);
		} else if (!is_blank(line) && f->damaged) {
			f->damaged(f->arg, &before, line, &error);
		}
		before.off += line.len + 1;
		before.seq++;
		at = newline + 1;
	}
	if (line.data)
		before.hash = log_hash(line);
	*pos = before;
	for (size_t i = 0; i < n; i++)
		if (!views[i]->error)
			views[i]->pos = before;
}
