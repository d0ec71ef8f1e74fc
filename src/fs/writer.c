#include "fs/writer.h"

#include <errno.h>

#include "store/log.h"

void batch_deinit(struct batch *b)
{
	buf_deinit(&b->lines);
	free(b->ends);
	*b = (struct batch){0};
}

void writer_deinit(struct writer *w)
{
	buf_deinit(&w->partial);
}

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

/* One whole line: its stored form goes into the batch, or the batch gets its error. */
static int take_line(struct writer *w, struct slice line, size_t given, const struct writer_rules *rules,
		     struct event *ev, struct batch *b)
{
	if (is_blank(line))
		return 0;
	if (line.len > rules->max_line) {
		b->error = -EMSGSIZE;
		b->why = (struct json_error){"the line is too long", rules->max_line};
		return 0;
	}
	if (w->guarded && b->n == 0 && rules->first.len == line.len && rules->first.hash == log_hash(line)) {
		b->error = -EPERM;
		b->why = (struct json_error){
		    "this is the log's own first line: a program saves the log over itself", 0};
		return 0;
	}
	if (!event_scan(ev, line, &b->why)) {
		/* Then nobody knows whether it is one. */
		if (ev->no_memory)
			return -ENOMEM;
		b->error = -EINVAL;
		return 0;
	}
	event_store(ev, rules->now, &b->lines);
	if (buf_error(&b->lines) < 0)
		return -ENOMEM;
	return add_end(b, given);
}

int writer_feed(struct writer *w, struct slice data, const struct writer_rules *rules, struct event *ev,
		struct batch *b)
{
	auto_buf struct buf joined = {0};
	size_t at = 0;

	*b = (struct batch){0};
	while (at < data.len) {
		const char *nl = memchr(data.data + at, '\n', data.len - at);
		size_t end = nl ? (size_t)(nl - data.data) : data.len;
		struct slice line = {data.data + at, end - at};

		b->line_begin = at;
		b->bad = line;
		if (at == 0 && w->partial.len > 0 && (nl || w->partial.len + line.len > rules->max_line)) {
			buf_add(&joined, w->partial.data, w->partial.len);
			buf_add_slice(&joined, line);
			if (buf_error(&joined) < 0)
				return -ENOMEM;
			line = buf_slice(&joined);
		}
		if (!nl && line.len <= rules->max_line) {
			b->rest = line;
			at = end;
			break;
		}
		int r = take_line(w, line, end + 1, rules, ev, b);
		if (r < 0)
			return r;
		if (b->error)
			break;
		at = nl ? end + 1 : end;
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

int writer_settle(struct writer *w, const struct batch *b, size_t written)
{
	bool whole = written == b->given && !b->error;
	bool newline = !whole || b->given > b->rest.len;

	if (written == 0)
		return 0;
	/* Nothing of the partial line is left once a newline has been accepted. */
	size_t keep = newline ? 0 : w->partial.len;
	struct slice rest = whole ? b->rest : (struct slice){0};
	w->partial.failed = false;
	if (buf_reserve(&w->partial, rest.len) < 0) {
		w->partial.failed = false;
		return -ENOMEM;
	}
	w->partial.len = keep;
	buf_add_slice(&w->partial, rest);
	if (b->n > 0)
		w->guarded = false;
	return 0;
}

int writer_finish(struct writer *w, const struct writer_rules *rules, struct event *ev, struct batch *b)
{
	*b = (struct batch){0};
	b->bad = buf_slice(&w->partial);
	return take_line(w, b->bad, 0, rules, ev, b);
}
