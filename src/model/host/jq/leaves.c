/* The event, its number and its place. */
#include "model/host/jq/event.h"
#include "model/host/jq/run.h"

static int give(struct run *m, struct val in, const struct val *v, struct val *out)
{
	val_free(in);
	*out = val_copy(*v);
	return GIVEN;
}

int one_event(struct run *m, const struct code *c, struct val in, struct val *out)
{
	return give(m, in, event_whole(m->event), out);
}

/* Inside a path it is an error, which shows the event. */
static int step_from(struct run *m, const struct code *c, struct val of, struct val *out)
{
	return index_step(m, of, val_copy(c->value), c->optional, out);
}

int one_event_member(struct run *m, const struct code *c, struct val in, struct val *out)
{
	if (likely(!m->track) || c->by_name)
		return give(m, in, event_part(m->event, (enum event_member)c->slot), out);
	val_free(in);
	return step_from(m, c, val_copy(*event_whole(m->event)), out);
}

int one_event_data(struct run *m, const struct code *c, struct val in, struct val *out)
{
	const struct val *v = m->track ? NULL : event_data_part(m->event, c->value);

	if (likely(v != NULL))
		return give(m, in, v, out);
	val_free(in);
	if (!m->track || !c->slot)
		return step_from(m, c, val_copy(*event_part(m->event, EVENT_DATA)), out);
	struct val data;
	int r = index_step(m, val_copy(*event_whole(m->event)), val_text("data"), false, &data);
	return r == GIVEN ? step_from(m, c, data, out) : r;
}

int one_seq(struct run *m, const struct code *c, struct val in, struct val *out)
{
	val_free(in);
	*out = val_number((double)m->event->pub.seq);
	return GIVEN;
}

int one_off(struct run *m, const struct code *c, struct val in, struct val *out)
{
	val_free(in);
	*out = val_number((double)m->event->pub.off);
	return GIVEN;
}

one_fn *code_one(enum code_kind kind)
{
	static one_fn *const functions[CODE_KINDS] = {
	    [CODE_DOT] = one_dot,
	    [CODE_CONST] = one_const,
	    [CODE_VARIABLE] = one_variable,
	    [CODE_EVENT] = one_event,
	    [CODE_EVENT_MEMBER] = one_event_member,
	    [CODE_EVENT_DATA] = one_event_data,
	    [CODE_SEQ] = one_seq,
	    [CODE_OFF] = one_off,
	    [CODE_EMPTY] = one_empty,
	    [CODE_INDEX] = one_index,
	    [CODE_SLICE] = one_slice,
	    [CODE_PIPE] = one_pipe,
	    [CODE_NEGATE] = one_negate,
	    [CODE_BINARY] = one_binary,
	    [CODE_AND] = one_and,
	    [CODE_OR] = one_or,
	    [CODE_ELSE] = one_else,
	    [CODE_ASSIGN] = one_update,
	    [CODE_MODIFY] = one_modify,
	    [CODE_UPDATE] = one_update,
	    [CODE_UPDATE_ELSE] = one_update,
	    [CODE_DELETE] = one_delete,
	    [CODE_IF] = one_if,
	    [CODE_REDUCE] = one_reduce,
	    [CODE_BIND] = one_bind,
	    [CODE_LABEL] = one_label,
	    [CODE_BREAK] = one_break,
	    [CODE_CALL] = one_call,
	    [CODE_ARRAY] = one_array,
	    [CODE_OBJECT] = one_object,
	    [CODE_FUNCTION] = one_function,
	    [CODE_PATH] = one_path,
	    [CODE_FIRST] = one_first,
	};

	return functions[kind];
}

many_fn *code_many(enum code_kind kind)
{
	static many_fn *const functions[CODE_KINDS] = {
	    [CODE_INDEX] = many_operands,     [CODE_SLICE] = many_operands,  [CODE_EACH] = many_each,
	    [CODE_PIPE] = many_pipe,          [CODE_COMMA] = many_comma,     [CODE_NEGATE] = many_negate,
	    [CODE_BINARY] = many_operands,    [CODE_AND] = many_and,         [CODE_OR] = many_or,
	    [CODE_ELSE] = many_else,          [CODE_ASSIGN] = many_update,   [CODE_UPDATE] = many_update,
	    [CODE_UPDATE_ELSE] = many_update, [CODE_IF] = many_if,           [CODE_TRY] = many_try,
	    [CODE_REDUCE] = many_reduce,      [CODE_FOREACH] = many_foreach, [CODE_BIND] = many_bind,
	    [CODE_LABEL] = many_label,        [CODE_CALL] = many_call,       [CODE_OBJECT] = many_operands,
	    [CODE_FUNCTION] = many_operands,  [CODE_PATH] = many_path,       [CODE_RANGE] = many_range,
	    [CODE_FIRST] = many_first,
	};

	return functions[kind];
}
