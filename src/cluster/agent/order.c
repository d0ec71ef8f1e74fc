#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/agent/order_impl.h"
#include "cluster/link/proto.h"

void order_init(struct order *o, const struct order_begin *begin, const struct keys *keys, struct buf *out)
{
	*o = (struct order){
	    .stage = begin->proposed ? ORDER_WAITS : ORDER_JOINING,
	    .keys = keys,
	    .out = out,
	    .delivered = begin->head,
	    .appended = begin->head,
	    .awaited = begin->proposed,
	    .batch_bytes = BATCH_LINES / 4,
	};
	snprintf(o->machine, sizeof(o->machine), "%s", begin->machine);
	snprintf(o->boot, sizeof(o->boot), "%s", begin->boot);
	order_set_config(o, begin->config);
}

static void drop_proposal(struct order *o)
{
	if (o->proposal) {
		cluster_batch_deinit(&o->proposal->batch);
		free(o->proposal->text);
		free(take_ptr(o->proposal));
	}
}

void order_deinit(struct order *o)
{
	drop_proposal(o);
}

void order_set_config(struct order *o, const char *config)
{
	snprintf(o->config, sizeof(o->config), "%s", config);
}

bool order_is_ahead(const struct order *o)
{
	return o->delivered.off > o->appended.off && o->delivered.off - o->appended.off >= ORDER_AHEAD;
}

bool order_is_decided(const struct order *o, uint64_t n)
{
	return !o->proposal || o->proposal->batch.n != n;
}

static void say_about(struct order *o, enum frame_type type, const char *rest)
{
	struct buf text auto_buf = {0};

	buf_printf(&text, "{\"n\":%llu%s}", (unsigned long long)o->proposal->batch.n, rest);
	o->out->failed |= text.failed;
	frame_add(o->out, type, buf_slice(&text));
	drop_proposal(o);
}

void order_say_mine(struct order *o)
{
	struct batch_head after = o->proposal->batch.after;

	say_about(o, FRAME_MINE, "");
	o->delivered = after;
	order_saw(o, &after);
}

void order_say_moved(struct order *o)
{
	say_about(o, FRAME_MOVED, "");
}

void order_say_refused(struct order *o, int error, const char *fmt, ...)
{
	struct buf rest auto_buf = {0};
	char why[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	buf_printf(&rest, ",\"errno\":%d,\"why\":", error);
	buf_add_json(&rest, slice_of(why));
	buf_add_char(&rest, '\0');
	o->out->failed |= rest.failed;
	say_about(o, FRAME_REFUSED, rest.failed ? "" : rest.data);
}

void order_settle(struct order *o)
{
	if (o->proposal && o->proposal->moved && (o->delivered.off >= o->seen.off || order_is_ahead(o)))
		order_say_moved(o);
}

void order_over(struct order *o, const char *fmt, ...)
{
	struct buf text auto_buf = {0};
	char why[480];
	va_list args;

	if (o->stage == ORDER_OVER)
		return;
	o->stage = ORDER_OVER;
	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	if (o->proposal && (o->proposal->undecided || o->proposal->sent) && !o->proposal->moved)
		snprintf(why + strlen(why), sizeof(why) - strlen(why),
			 "; whether the last append is in it is not known");
	buf_add_str(&text, "{\"why\":");
	buf_add_json(&text, slice_of(why));
	buf_add_char(&text, '}');
	o->out->failed |= text.failed;
	frame_add(o->out, FRAME_FATAL, buf_slice(&text));
}

static int read_proposal(struct order *o, struct slice text, struct order_proposal *p)
{
	p->text = malloc(text.len + 1);
	if (!p->text)
		return -ENOMEM;
	memcpy(p->text, text.data, text.len);
	int r = batch_read((struct slice){p->text, text.len}, &p->batch, NULL);
	if (r < 0)
		return r == -EBADMSG ? -EPROTO : r;
	if (strcmp(p->batch.machine, o->machine) != 0 || strcmp(p->batch.boot, o->boot) != 0 ||
	    p->batch.n == 0 || p->batch.lines.len > BATCH_LINES)
		return -EPROTO;
	return 0;
}

/* Can the daemon know of a place like that? */
static bool place_is_known(const struct order *o, const struct batch_head *before)
{
	return before->off < o->delivered.off || batch_head_is(before, &o->delivered);
}

int order_propose(struct order *o, struct slice text)
{
	struct order_proposal *p;

	if (o->stage == ORDER_OVER)
		return 0;
	if (o->proposal)
		return -EPROTO;
	p = o->proposal = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	int r = read_proposal(o, text, p);
	if (r == 0 && (!place_is_known(o, &p->batch.before) || (o->awaited && p->batch.n != o->awaited)))
		r = -EPROTO;
	if (r < 0) {
		drop_proposal(o);
		return r;
	}
	memcpy(p->config, o->config, sizeof(p->config));
	if (o->awaited) {
		p->undecided = 1; /* by another agent, whose holder's key had another revision than ours */
		o->awaited = 0;
		o->stage = ORDER_JOINING;
	}
	p->moved = p->batch.before.off < o->delivered.off;
	order_settle(o);
	return 0;
}

int order_appended(struct order *o, const struct batch_head *head)
{
	if (head->off > o->delivered.off)
		return -EPROTO;
	/* What was delivered by an agent before this one need not be on disk. */
	if (!o->appended_told || head->off > o->appended.off)
		o->appended = *head;
	o->appended_told = true;
	if (o->seen.off > o->delivered.off && !order_is_ahead(o))
		order_look_soon(o);
	return 0;
}

void order_hold(struct order *o, uint64_t revision)
{
	o->holder = revision;
	if (revision)
		o->again_hold = false;
}

void order_registered(struct order *o, bool registered)
{
	o->registered = registered;
}

uint64_t order_due_ms(const struct order *o)
{
	uint64_t due = CLOCK_FOREVER;

	if (o->stage == ORDER_OVER || o->stage == ORDER_WAITS)
		return due;
	if (!o->looking)
		due = o->look_ms;
	if (o->proposal && !o->proposal->sent && o->proposal->not_before_ms > o->now_ms)
		due = min(due, o->proposal->not_before_ms);
	return due;
}
