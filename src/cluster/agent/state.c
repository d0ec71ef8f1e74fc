/* What is told of the engine. */
#include <stdio.h>
#include <string.h>

#include "cluster/agent/agent_impl.h"

#define FULL_MS 3500  /* so long it counts that there was no room: it is tried each second */
#define SMALL_MS 1000 /* so often it is told that only numbers are others */

/* Its name, and *why, which may be NULL. */
static const char *name_of(const struct agent *a, const char **why)
{
	const struct order *o = &a->order;
	const struct state *s = &a->state;

	*why = NULL;
	if (s->asked_ms && o->now_ms - s->asked_ms >= AWAY_MS) {
		*why = s->why[0] ? s->why : "the engine does not answer";
		return "away";
	}
	if (s->full_ms && o->now_ms - s->full_ms < FULL_MS) {
		*why = "the engine has no room left: see etcd's NOSPACE alarm";
		return "full";
	}
	if (a->lease.foreign_ms)
		*why = "another machine holds this one's identity";
	if (o->stage != ORDER_JOINED || o->seen.off > o->delivered.off + ORDER_AHEAD || !o->holder ||
	    !o->registered)
		return "joining";
	if (o->proposal && o->proposal->undecided) {
		*why = "it is not known yet whether an append has reached the engine";
		return "away";
	}
	if (order_differs(o)) {
		*why = "the rules of this machine are not those of the others";
		return "differs";
	}
	return "ready";
}

static void add_text(struct buf *b, const char *text)
{
	if (text)
		buf_add_json(b, slice_of(text));
	else
		buf_add_str(b, "null");
}

void state_turn(struct agent *a)
{
	const struct order *o = &a->order;
	struct state *s = &a->state;
	struct buf text auto_buf = {0};
	const char *why, *name = name_of(a, &why);
	bool has_window = a->trim.window_off < o->seen.off;

	buf_printf(&text, "{\"state\":\"%s\",\"why\":", name);
	add_text(&text, why);
	buf_add_str(&text, ",\"engine\":");
	add_text(&text, etcd_endpoint(a->etcd));
	bool same =
	    s->same == text.len && s->told.len > text.len && memcmp(s->told.data, text.data, text.len) == 0;
	s->same = text.len;
	if (same && o->now_ms < s->told_ms + SMALL_MS)
		return;
	buf_add_str(&text, ",\"head\":");
	if (o->seen.sha[0]) {
		buf_add_char(&text, '"');
		batch_head_write(&o->seen, &text);
		buf_add_char(&text, '"');
	} else {
		buf_add_str(&text, "null");
	}
	buf_printf(&text, ",\"window_bytes\":%llu,\"db_bytes\":%llu}",
		   (unsigned long long)(has_window ? o->seen.off - a->trim.window_off : 0),
		   (unsigned long long)a->trim.db_bytes);
	s->told_ms = o->now_ms;
	if (slice_eq(buf_slice(&text), buf_slice(&s->told)))
		return;
	agent_say(a, FRAME_STATE, &text);
	buf_clear(&s->told);
	buf_add_slice(&s->told, buf_slice(&text));
}

uint64_t state_due_ms(const struct agent *a)
{
	uint64_t due = a->state.told_ms + SMALL_MS;

	return due;
}
