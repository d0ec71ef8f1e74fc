#include "fs/log/writer.h"

#include <errno.h>

#include "store/log.h"

/* The kernel splits a long write(2) into several requests, and hides an error of any but the first: the
 * program is told how much was taken, and comes back with the rest. A request that is shorter was the last
 * of its write. */
#define SPLIT_MIN (LIMIT_WRITE - 4096)
/* Where a refused line began in an earlier request, its rest may come back in pieces of another size: this
 * much of it is compared. */
#define AGAIN_MAX 4096

void refusal_deinit(struct refusal *r)
{
	buf_deinit(&r->head);
	*r = (struct refusal){0};
}

void batch_deinit(struct batch *b)
{
	buf_deinit(&b->lines);
	free(b->units);
	free(b->layouts);
	refusal_deinit(&b->bad);
	refusal_deinit(&b->behind);
	*b = (struct batch){0};
}

void batch_clear(struct batch *b)
{
	refusal_deinit(&b->bad);
	refusal_deinit(&b->behind);
	b->lines.len = b->n = b->n_layouts = b->groups = b->odd_ts = b->given = 0;
	b->rest = (struct slice){0};
}

void writer_deinit(struct writer *w)
{
	buf_deinit(&w->partial);
	refusal_deinit(&w->declined.behind);
}

/* What was refused comes again, or never will. */

static bool begins_with_declined(const struct writer *w, struct slice data)
{
	return w->declined.stage != DECLINED_NOTHING && data.len >= w->declined.len &&
	       log_hash((struct slice){data.data, w->declined.len}) == w->declined.hash;
}

void writer_end(struct writer *w, struct refusal *ret_left)
{
	*ret_left = w->declined.behind;
	w->declined.behind = (struct refusal){0};
	w->declined.stage = DECLINED_NOTHING;
}

int writer_resume(struct writer *w, struct slice data, struct refusal *ret_left)
{
	*ret_left = (struct refusal){0};
	w->before = w->last;
	w->last = data.len;
	if (w->guard.state == GUARD_SAVING)
		return -EPERM; /* whatever is left came before */
	int error = begins_with_declined(w, data) ? w->declined.error : 0;
	if (error)
		/* Now it knows: what it does with the rest is its own affair. */
		refusal_deinit(&w->declined.behind);
	writer_end(w, ret_left);
	return error;
}

int writer_owes(struct writer *w)
{
	if (!writer_is_owing(w))
		return 0;
	w->declined.stage = DECLINED_TOLD;
	return w->declined.error;
}

/* Looking at lines */

static bool is_blank(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != ' ' && s.data[i] != '\t' && s.data[i] != '\r')
			return false;
	return true;
}

/* A unit has been added to the lines. */
static int add_unit(struct batch *b, size_t given, size_t lines, size_t odd_ts)
{
	if (!list_room(b->units, b->n, b->cap, 16))
		return -ENOMEM;
	b->units[b->n++] = (struct unit){b->lines.len, given, lines, odd_ts};
	b->groups += lines > 1;
	b->odd_ts += odd_ts;
	return 0;
}

static void add_head(struct refusal *r, struct slice s)
{
	size_t room = LIMIT_REJECTED_LINE - r->head.len;

	buf_add(&r->head, s.data, min(s.len, room));
	r->bytes += s.len;
}

/* The line that begins at `at` in the data is bad. */
static int set_bad(const struct writer *w, struct slice data, size_t at, int error, struct json_error why,
		   struct batch *b)
{
	const char *nl = data.len > at ? memchr(data.data + at, '\n', data.len - at) : NULL;
	size_t end = nl ? (size_t)(nl - data.data) : data.len;
	size_t next = min(end + 1, data.len);
	bool began_before = at == 0 && w->partial.len > 0;

	b->given = at;
	b->bad.error = error;
	b->bad.why = why;
	if (began_before)
		add_head(&b->bad, buf_slice(&w->partial));
	struct slice bad = slice_skip(data, at);
	add_head(&b->bad, (struct slice){bad.data, end - at});
	if (next < data.len) {
		b->behind.error = error;
		b->behind.why =
		    (struct json_error){"it stood behind a refused line, and was not written again", 0};
		add_head(&b->behind, (struct slice){data.data + next, data.len - next});
	}
	b->again_len = began_before ? min(next, (size_t)AGAIN_MAX) : next - at;
	b->again_hash = log_hash((struct slice){bad.data, b->again_len});
	return b->bad.head.failed || b->behind.head.failed ? -ENOMEM : 0;
}

static const struct json_error saving = {
    "this program saves the log over itself; to append these lines, use >>", 0};

/* Milliseconds and the like, which old logs have. */
static bool has_odd_ts(const struct event *ev)
{
	return unlikely(ev->pub.ts > LIMIT_TS) && ev->has & EVENT_HAS_TS;
}

/* `line`: what `ev` was scanned from. */
static struct json_error odd_ts_in(const struct event *ev, struct slice line)
{
	struct slice ts = {ev->pub.line.data, ev->pub.line.len};

	(void)!json_find(ts, "/ts", &ts);
	return (struct json_error){"\"ts\" is beyond the year 9999; it is in seconds, not in a smaller unit",
				   (size_t)(ts.data - line.data)};
}

/* An event that was scanned: its stored form goes into the batch, or *ret_why tells what is wrong. */
static int take_event(const struct event *ev, struct slice line, const struct writer_rules *rules,
		      struct batch *b, size_t *odd_ts, struct json_error *ret_why)
{
	if (rules->need_id && !ev->pub.id.data) {
		*ret_why = (struct json_error){"there is no \"id\", by which an event is known to be new",
					       (size_t)(ev->pub.line.data - line.data)};
		return EINVAL;
	}
	if (has_odd_ts(ev)) {
		if (rules->strict_ts) {
			*ret_why = odd_ts_in(ev, line);
			return EINVAL;
		}
		++*odd_ts;
	}
	event_store(ev, rules->now, &b->lines);
	if (rules->lay_out) {
		if (!list_room(b->layouts, b->n_layouts, b->cap_layouts, 64))
			return -ENOMEM;
		b->layouts[b->n_layouts++] = event_layout(ev, rules->now);
	}
	return buf_error(&b->lines) < 0 ? -ENOMEM : 0;
}

/* All of its events, or none. */
static int take_group(struct slice line, size_t given, const struct writer_rules *rules, struct event *ev,
		      struct batch *b, struct json_error *ret_why)
{
	size_t begin = b->lines.len, layouts = b->n_layouts, n = 0, odd_ts = 0;
	struct event_group g;
	int r;

	event_group_begin(&g, line);
	while ((r = event_group_next(&g, ev, ret_why)) > 0) {
		r = take_event(ev, line, rules, b, &odd_ts, ret_why);
		if (r != 0)
			break;
		n++;
	}
	if (r != 0) {
		b->lines.len = begin;
		b->n_layouts = layouts;
	}
	if (r != 0 || n == 0)
		return r == -EINVAL ? EINVAL : r;
	return add_unit(b, given, n, odd_ts);
}

/* One whole line: its stored form goes into the batch, or *ret_why tells what is wrong: then its errno is
 * the result, as a positive number. */
static int take_line(struct slice line, size_t given, const struct writer_rules *rules, struct event *ev,
		     struct batch *b, struct json_error *ret_why)
{
	size_t odd_ts = 0;

	if (is_blank(line))
		return 0;
	if (line.len > rules->max_line) {
		*ret_why = (struct json_error){"the line is too long", rules->max_line};
		return EMSGSIZE;
	}
	if (unlikely(event_group_is_one(line)))
		return take_group(line, given, rules, ev, b, ret_why);
	if (!event_scan(ev, line, ret_why))
		/* Without memory nobody knows whether it is one. */
		return ev->no_memory ? -ENOMEM : EINVAL;
	int r = take_event(ev, line, rules, b, &odd_ts, ret_why);
	return r != 0 ? r : add_unit(b, given, 1, odd_ts);
}

/* The line at `at` in the data, with what of it came before in front. */
struct line {
	struct slice text;
	size_t end; /* in the data: of its newline, or of all */
	bool whole;
};

/* A line that has not ended is joined to what came before only where that makes it too long. */
static int line_at(const struct writer *w, struct slice data, size_t at, size_t max_line, struct buf *joined,
		   struct line *ret)
{
	const char *nl = memchr(data.data + at, '\n', data.len - at);

	ret->whole = nl;
	ret->end = nl ? (size_t)(nl - data.data) : data.len;
	ret->text = (struct slice){data.data + at, ret->end - at};
	if (at > 0 || w->partial.len == 0 || !(nl || w->partial.len + ret->text.len > max_line))
		return 0;
	buf_clear(joined);
	buf_add(joined, w->partial.data, w->partial.len);
	buf_add_slice(joined, ret->text);
	ret->text = buf_slice(joined);
	return buf_error(joined);
}

/* The guard sees the events of a group as so many lines: `jq -cs . app` saves the log as well. False: no more
 * need to be shown. */
static bool show_guard(struct guard *g, const struct guard_log *log, struct slice line, bool whole,
		       struct event *ev)
{
	struct json_error why;
	struct event_group group;
	bool more = true;

	if (!event_group_is_one(line))
		return guard_line(g, log, line, whole);
	event_group_begin(&group, line);
	while (more && event_group_next(&group, ev, &why) > 0)
		more = guard_line(g, log, (struct slice){ev->pub.line.data, ev->pub.line.len}, true);
	return more;
}

/* 1: the writer is guarded, and what it writes is the log. */
static int look_for_log(const struct writer *w, struct slice data, const struct writer_rules *rules,
			struct event *ev, struct batch *b)
{
	auto_buf struct buf joined = {0};
	bool more = true;

	b->guard = w->guard;
	if (w->guard.state != GUARD_WATCH || !memchr(data.data, '\n', data.len))
		return 0;
	for (size_t at = 0; more && at < data.len;) {
		struct line line;
		int r = line_at(w, data, at, rules->max_line, &joined, &line);
		if (r < 0)
			return r;
		if (!line.whole) {
			struct guard looking = b->guard;
			show_guard(&looking, rules->log, line.text, false, ev);
			return guard_is_saving(&looking);
		}
		more = show_guard(&b->guard, rules->log, line.text, true, ev);
		at = line.end + 1;
	}
	return guard_is_saving(&b->guard);
}

/* What most come to: a megabyte is not to be copied from one piece of memory to the next. */
static void reserve_lines(struct batch *b, size_t given)
{
	buf_reserve(&b->lines, given + 64);
}

/* The lines of the data from `at` on, as far as `to`, where one begins or the data end. */
static int feed_lines(const struct writer *w, struct slice data, size_t at, size_t to,
		      const struct writer_rules *rules, struct event *ev, struct batch *b)
{
	auto_buf struct buf joined = {0};
	struct json_error why;
	int r;

	while (at < to) {
		struct line line;
		r = line_at(w, data, at, rules->max_line, &joined, &line);
		if (r < 0)
			return r;
		if (!line.whole && line.text.len <= rules->max_line) {
			b->rest = line.text;
			at = line.end;
			break;
		}
		r = take_line(line.text, line.end + 1, rules, ev, b, &why);
		if (r > 0)
			return set_bad(w, data, at, -r, why, b);
		if (r < 0)
			return r;
		at = line.end + line.whole;
	}
	b->given = at;
	return 0;
}

int writer_feed(const struct writer *w, struct slice data, const struct writer_rules *rules, struct event *ev,
		struct batch *b)
{
	return writer_feed_first(w, data, data.len, rules, ev, b);
}

size_t writer_cut(struct slice data, size_t from)
{
	const char *nl = from < data.len ? memchr(data.data + from, '\n', data.len - from) : NULL;

	return nl ? (size_t)(nl + 1 - data.data) : data.len;
}

int writer_feed_on(const struct writer *w, struct slice data, size_t at, size_t to,
		   const struct writer_rules *rules, struct event *ev, struct batch *b)
{
	int r = at == 0 ? look_for_log(w, data, rules, ev, b) : 0;
	if (r > 0)
		return set_bad(w, data, 0, -EPERM, saving, b);
	return r < 0 ? r : feed_lines(w, data, at, to, rules, ev, b);
}

int writer_feed_first(const struct writer *w, struct slice data, size_t half,
		      const struct writer_rules *rules, struct event *ev, struct batch *b)
{
	*b = (struct batch){.guard = w->guard};
	reserve_lines(b, w->partial.len + data.len);
	return writer_feed_on(w, data, 0, half, rules, ev, b);
}

int writer_feed_second(struct slice data, size_t half, const struct writer_rules *rules, struct event *ev,
		       struct batch *b)
{
	static const struct writer nobody; /* nothing has come before */

	*b = (struct batch){0};
	reserve_lines(b, data.len - half);
	return feed_lines(&nobody, data, half, data.len, rules, ev, b);
}

/* The units and layouts of another batch, behind one's own. */
static int join_lists(struct batch *b, const struct batch *other)
{
	for (size_t i = 0; i < other->n; i++) {
		if (!list_room(b->units, b->n, b->cap, 16))
			return -ENOMEM;
		b->units[b->n] = other->units[i];
		b->units[b->n++].stored += b->lines.len;
	}
	for (size_t i = 0; i < other->n_layouts; i++) {
		if (!list_room(b->layouts, b->n_layouts, b->cap_layouts, 64))
			return -ENOMEM;
		b->layouts[b->n_layouts++] = other->layouts[i];
	}
	return 0;
}

int batch_join(struct batch *b, struct batch *second)
{
	/* What stands behind a bad line is looked at when it comes again. */
	if (b->bad.error)
		return 0;
	int r = join_lists(b, second);
	if (r < 0)
		return r;
	buf_add_slice(&b->lines, buf_slice(&second->lines));
	b->groups += second->groups;
	b->odd_ts += second->odd_ts;
	b->rest = second->rest;
	b->given = second->given;
	b->bad = second->bad;
	b->behind = second->behind;
	second->bad = second->behind = (struct refusal){0};
	b->again_len = second->again_len;
	b->again_hash = second->again_hash;
	return buf_error(&b->lines);
}

size_t batch_odd_ts(const struct batch *b, size_t stored)
{
	return b->odd_ts > 0 ? units_odd_ts(b->units, b->n, stored) : 0;
}

size_t batch_written(const struct batch *b, size_t stored)
{
	size_t i = b->n;

	if (stored >= b->lines.len)
		return b->given;
	while (i > 0 && b->units[i - 1].stored > stored)
		i--;
	return i ? b->units[i - 1].given : 0;
}

/* The bad line has been reached. */
static void refuse(struct writer *w, struct batch *b)
{
	buf_clear(&w->partial);
	if (b->bad.error == -EPERM) {
		w->guard.state = GUARD_SAVING;
		return;
	}
	/* Has it heard of it? Not by a short count, nor where the kernel may have hidden the error. */
	if (b->given == 0 && w->before < SPLIT_MIN)
		return;
	w->declined.stage = DECLINED_UNTOLD;
	w->declined.error = b->bad.error;
	w->declined.len = b->again_len;
	w->declined.hash = b->again_hash;
	w->declined.behind = b->behind;
	b->behind = (struct refusal){0};
}

static void tell_guard(struct writer *w, const struct batch *b)
{
	/* A cut may have been refused meanwhile. */
	if (w->guard.state == GUARD_SAVING)
		return;
	w->guard = b->guard;
	guard_written(&w->guard, w->partial.len > 0);
}

int writer_written(struct writer *w, struct batch *b, size_t written)
{
	bool whole = written == b->given && !b->bad.error;
	struct slice rest = whole ? b->rest : (struct slice){0};

	if (written < b->given) {
		/* Some of its lines are stored: nothing of the partial line is left. */
		if (written > 0) {
			buf_clear(&w->partial);
			tell_guard(w, b);
		}
		return 0;
	}
	w->partial.failed = false;
	if (buf_reserve(&w->partial, rest.len) < 0) {
		w->partial.failed = false;
		return -ENOMEM;
	}
	if (b->given > b->rest.len)
		w->partial.len = 0;
	buf_add_slice(&w->partial, rest);
	tell_guard(w, b);
	if (whole)
		return 0;
	refuse(w, b);
	return 1;
}

int writer_finish(struct writer *w, const struct writer_rules *rules, struct event *ev, struct batch *b)
{
	struct slice line = buf_slice(&w->partial);
	struct json_error why;

	*b = (struct batch){.guard = w->guard};
	if (w->guard.state == GUARD_WATCH) {
		show_guard(&b->guard, rules->log, line, true, ev);
		if (guard_is_saving(&b->guard))
			return set_bad(w, (struct slice){0}, 0, -EPERM, saving, b);
	}
	int r = take_line(line, 0, rules, ev, b, &why);
	return r > 0 ? set_bad(w, (struct slice){0}, 0, -r, why, b) : r;
}
