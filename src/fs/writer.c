#include "fs/writer.h"

#include <errno.h>

#include "store/log.h"

/* The kernel splits a long write(2) into several requests, and hides an error of any but the first: the program is told how much was
 * taken, and comes back with the rest. A request that is shorter was the last of its write. */
#define SPLIT_MIN (LIMIT_WRITE - 4096)
/* Where a refused line began in an earlier request, its rest may come back in pieces of another size: this much of it is compared. */
#define AGAIN_MAX 4096

void refusal_deinit(struct refusal *r)
{
	buf_deinit(&r->head);
	*r = (struct refusal){0};
}

void batch_deinit(struct batch *b)
{
	buf_deinit(&b->lines);
	free(b->ends);
	refusal_deinit(&b->bad);
	refusal_deinit(&b->behind);
	*b = (struct batch){0};
}

void writer_deinit(struct writer *w)
{
	buf_deinit(&w->partial);
	refusal_deinit(&w->declined.behind);
}

/* What was refused comes again, or never will. */

static bool begins_with_declined(const struct writer *w, struct slice data)
{
	return w->declined.error && data.len >= w->declined.len &&
	       log_hash((struct slice){data.data, w->declined.len}) == w->declined.hash;
}

void writer_end(struct writer *w, struct refusal *ret_left)
{
	*ret_left = w->declined.behind;
	w->declined.behind = (struct refusal){0};
	w->declined.error = 0;
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
	int error = w->declined.told ? 0 : w->declined.error;

	w->declined.told = true;
	return error;
}

/* Looking at lines */

static bool is_blank(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != ' ' && s.data[i] != '\t' && s.data[i] != '\r')
			return false;
	return true;
}

static int add_end(struct batch *b, size_t given)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 16;
		struct batch_line *ends = reallocarray(b->ends, cap, sizeof(*ends));
		if (!ends)
			return -ENOMEM;
		b->ends = ends;
		b->cap = cap;
	}
	b->ends[b->n++] = (struct batch_line){b->lines.len, given};
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

/* One whole line: its stored form goes into the batch, or *ret_why tells what is wrong: then its errno is the result, as a positive
 * number. */
static int take_line(struct slice line, size_t given, const struct writer_rules *rules, struct event *ev,
		     struct batch *b, struct json_error *ret_why)
{
	if (is_blank(line))
		return 0;
	if (line.len > rules->max_line) {
		*ret_why = (struct json_error){"the line is too long", rules->max_line};
		return EMSGSIZE;
	}
	if (!event_scan(ev, line, ret_why))
		/* Without memory nobody knows whether it is one. */
		return ev->no_memory ? -ENOMEM : EINVAL;
	event_store(ev, rules->now, &b->lines);
	if (buf_error(&b->lines) < 0)
		return -ENOMEM;
	return add_end(b, given);
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

/* 1: the writer is guarded, and what it writes is the log. */
static int look_for_log(const struct writer *w, struct slice data, const struct writer_rules *rules,
			struct batch *b)
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
			guard_line(&looking, rules->log, line.text, false);
			return guard_is_saving(&looking);
		}
		more = guard_line(&b->guard, rules->log, line.text, true);
		at = line.end + 1;
	}
	return guard_is_saving(&b->guard);
}

int writer_feed(struct writer *w, struct slice data, const struct writer_rules *rules, struct event *ev,
		struct batch *b)
{
	auto_buf struct buf joined = {0};
	struct json_error why;
	size_t at = 0;
	int r;

	*b = (struct batch){.guard = w->guard};
	r = look_for_log(w, data, rules, b);
	if (r < 0)
		return r;
	if (r > 0)
		return set_bad(w, data, 0, -EPERM, saving, b);
	while (at < data.len) {
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

size_t batch_written(const struct batch *b, size_t stored)
{
	size_t i = b->n;

	if (stored >= b->lines.len)
		return b->given;
	while (i > 0 && b->ends[i - 1].stored > stored)
		i--;
	return i ? b->ends[i - 1].given : 0;
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
	w->declined.error = b->bad.error;
	w->declined.told = false;
	w->declined.len = b->again_len;
	w->declined.hash = b->again_hash;
	w->declined.behind = b->behind;
	b->behind = (struct refusal){0};
}

static void settle_guard(struct writer *w, const struct batch *b)
{
	/* A cut may have been refused meanwhile. */
	if (w->guard.state == GUARD_SAVING)
		return;
	w->guard = b->guard;
	guard_written(&w->guard, w->partial.len > 0);
}

int writer_settle(struct writer *w, struct batch *b, size_t written)
{
	bool whole = written == b->given && !b->bad.error;
	struct slice rest = whole ? b->rest : (struct slice){0};

	if (written < b->given) {
		/* Some of its lines are stored: nothing of the partial line is left. */
		if (written > 0) {
			buf_clear(&w->partial);
			settle_guard(w, b);
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
	settle_guard(w, b);
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
		guard_line(&b->guard, rules->log, line, true);
		if (guard_is_saving(&b->guard))
			return set_bad(w, (struct slice){0}, 0, -EPERM, saving, b);
	}
	int r = take_line(line, 0, rules, ev, b, &why);
	return r > 0 ? set_bad(w, (struct slice){0}, 0, -r, why, b) : r;
}
