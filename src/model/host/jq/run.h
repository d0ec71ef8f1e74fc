/* Running a compiled jq program. The parts of it only. */
#pragma once

#include "model/event/event.h"
#include "model/host/jq/code.h"

/* The path of what is being looked at, inside path(…) and of the left sides of updates. jq keeps the value
 * that it ends at, to tell whether what comes next is still a part of it. */
struct track {
	struct val *keys;
	unsigned n, cap;
	struct val at;
};

struct frame {
	struct frame *up;
	struct val *vars;
};

struct run {
	struct event *event;
	struct frame *frame;
	struct track *path; /* the innermost that is asked for, or NULL */
	struct track
	    *track; /* the same where what runs is a part of it; NULL where it is apart, as keys are */
	struct val error;
	bool failed;       /* error is one, or breaking */
	uint32_t breaking; /* the number of a label, plus 1 */
	uint32_t labels;   /* so many were there */
	/* The state before the event, until it is changed in place. */
	struct val kept;
	bool hold;              /* it must not be */
	bool rule;              /* it is one: `error` of null is an error in it, as in plain_new() */
	bool odd;               /* a number came up that JSON has no text for */
	char *stack_end;        /* the stack must not grow beyond it */
	struct island *islands; /* see island.c */
	struct regex *regexes;  /* see regex.c */
	unsigned n_regexes;
	struct re_registers *region; /* where groups were found last */
	/* A call that is the last thing its function does, on its way back to there. */
	struct val tail_in, *tail_args;
	jmp_buf no_memory;
};

static inline int one(struct run *m, const struct code *c, struct val in, struct val *out)
{
	return c->one(m, c, in, out);
}

static inline int many(struct run *m, const struct code *c, struct val in, struct cont *k)
{
	return c->many(m, c, in, k);
}

/* The input for a node that is not the last to get it. */
static inline struct val input_for(const struct code *c, struct val in)
{
	return c->dot ? val_copy(in) : VAL(VAL_NULL);
}

/* Evaluates a simple node that is no part of a path. Consumes the input. */
static inline int one_apart(struct run *m, const struct code *c, struct val in, struct val *out)
{
	struct track *track = m->track;

	m->track = NULL;
	int r = c->one(m, c, in, out);
	m->track = track;
	return r;
}

/* The same with a continuation, which runs as if outside. */
int many_apart(struct run *m, const struct code *c, struct val in, struct cont *k);

/* Errors. Each returns FAILED, or VAL_NONE. */
int fail(struct run *m, struct val message);
struct val fail_value(struct run *m, struct val message);
int fail_deep(struct run *m, const char *what);
/* jq's "KIND (VALUE) WHAT"; consumes the value. */
struct val fail_kind(struct run *m, struct val v, const char *what);
struct val fail_kinds(struct run *m, struct val a, struct val b, const char *what);
/* Takes the error, as what `catch` is given. */
struct val run_catch(struct run *m);
/* Whether r is the end of the label of that number, which it then is no longer. */
bool label_over(struct run *m, int r, uint32_t number);

/* A state that is about to be changed: nobody else holds it from now on. */
static inline void let_change(struct run *m, struct val v)
{
	if (val_counted(v) && v.u.heap == m->kept.u.heap && *val_refs(v) == 2 && !m->hold &&
	    m->kept.kind != VAL_NONE) {
		--*val_refs(v);
		m->kept.kind = VAL_NONE;
	}
}

static inline struct val number(struct run *m, double x)
{
	if (unlikely(!__builtin_isfinite(x)))
		m->odd = true;
	return val_number(x);
}

static inline struct val *variable(struct run *m, const struct code *c)
{
	struct frame *f = m->frame;

	for (unsigned i = c->hops; i > 0; i--)
		f = f->up;
	return &f->vars[c->slot];
}

/* a[k], jq's way. Both borrowed, or consumed. VAL_NONE: an error. */
struct val index_borrowed(struct run *m, const struct val *a, const struct val *k);
struct val index_of(struct run *m, struct val a, struct val k);
/* From and to of a slice of `len`; false where they are no numbers. */
bool slice_bounds(struct val from, struct val to, uint32_t len, uint32_t *ret_from, uint32_t *ret_to);
/* The slice as a key. */
struct val slice_key(struct val from, struct val to);
struct val slice_member(struct val key, const char *name);

/* The same as a step of a path; consumes both. */
int index_step(struct run *m, struct val a, struct val k, bool optional, struct val *out);

struct val binary(struct run *m, enum tree_op op, struct val a, struct val b);
struct val negate(struct run *m, struct val v);
/* a / b of strings. */
struct val split_text(struct val a, struct val b);

/* Paths. */
bool track_step(struct run *m, struct val from, struct val key, struct val to);
struct mark {
	struct track *track;
	unsigned n;
	struct val at;
};
void mark_take(struct run *m, struct mark *mark);
void mark_restore(struct run *m, struct mark *mark);
void mark_drop(struct mark *mark);

one_fn one_dot, one_const, one_variable, one_event, one_event_member, one_event_data, one_seq, one_off,
    one_empty, one_index, one_slice, one_pipe, one_negate, one_binary, one_and, one_or, one_else, one_modify,
    one_update, one_delete, one_if, one_reduce, one_bind, one_label, one_break, one_call, one_array,
    one_object, one_function, one_path, one_first;
many_fn many_simple, many_each, many_pipe, many_comma, many_negate, many_and, many_or, many_else, many_if,
    many_try, many_reduce, many_foreach, many_bind, many_label, many_call, many_path, many_range, many_first,
    many_operands, many_update;

/* Of nodes that compute with the values of their operands. Consumes the values. */
int finish(struct run *m, const struct code *c, struct val *vals, struct val *out);
/* The input as it is given to operand i, which may be the last to read it. */
static inline struct val operand_input(const struct code *c, unsigned i, struct val *in)
{
	if (i == c->last_dot)
		return val_take(in);
	return c->list[i]->dot ? val_copy(*in) : VAL(VAL_NULL);
}

/* A change of a part of a value, see path.c. `apply` takes the part and leaves another one; NOTHING: there is
 * none, and the part is removed. */
struct change {
	int (*apply)(struct run *m, struct change *ch, struct val *part);
};

/* Changes what is at the path (borrowed) in a value, in place where nobody else holds it. NOTHING: it is as
 * it was. */
int change_at(struct run *m, struct val *at, const struct val *keys, unsigned n, struct change *ch);

/* All consume the root; the rest is borrowed. VAL_NONE: an error. */
struct val get_path(struct run *m, struct val root, struct val path);
struct val set_path(struct run *m, struct val root, struct val path, struct val v);
struct val delete_paths(struct run *m, struct val root, struct val paths);
