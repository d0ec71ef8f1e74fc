#include "model/host/jq/compiled.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <sys/resource.h>

#include "base/json.h"
#include "model/host/jq/compile.h"
#include "model/host/jq/functions.h"
#include "model/host/jq/outcome.h"
#include "model/host/jq/text.h"

#define LEAST_STACK (256u << 10)
#define MOST_STACK (64u << 20)

struct compiled {
	bool lost; /* the state, for want of memory, until another one is read */
	struct program program;
	struct run run;
	struct val state, saved; /* the second VAL_NONE: nothing is */
	struct val *vars;        /* of the main frame */
	size_t stack;            /* so much of it is for the program */
};

static size_t stack_for_programs(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) < 0)
		return LEAST_STACK;
	size_t size = limit.rlim_cur > MOST_STACK ? MOST_STACK : limit.rlim_cur;
	return max(size / 4 * 3, (size_t)LEAST_STACK);
}

int compiled_new(struct compiled **ret, struct program *program)
{
	struct compiled *c = calloc(1, sizeof(*c));
	struct val *vars = calloc(program->n_slots + 1, sizeof(*vars));

	if (!c || !vars) {
		free(c);
		free(vars);
		program_deinit(program);
		return -ENOMEM;
	}
	c->program = *program;
	*program = (struct program){0};
	c->state = VAL(VAL_NULL);
	c->vars = vars;
	c->stack = stack_for_programs();
	/* What changes the state and then has no output needs the old one; and so does one that catches
	 * errors of what follows. */
	const struct code *main = c->program.main;
	c->run.hold = main->loses || (main->catches && main->writes);
	*ret = c;
	return 0;
}

/* The state is what its text says: a number that JSON has no text for is what that would be read back as. */
static void make_even(struct val *v, int depth)
{
	uint32_t i = 0;

	if (depth > JQ_DEPTH + 1)
		return;
	if (v->kind == VAL_NUMBER && !isfinite(v->u.number))
		*v = isnan(v->u.number) ? VAL(VAL_NULL) : val_number(v->u.number < 0 ? -DBL_MAX : DBL_MAX);
	else if (v->kind == VAL_ARRAY)
		for (; i < val_length(*v); i++)
			make_even(val_at(*v, i), depth + 1);
	else if (v->kind == VAL_OBJECT)
		for (struct val_member *e; (e = val_next(v->u.object, &i));)
			make_even(&e->value, depth + 1);
}

struct result {
	struct cont cont;
	struct val v;
};

static int take_result(struct run *m, struct cont *cont, struct val v)
{
	((struct result *)cont)->v = v;
	return STOP;
}

static void prepare(struct compiled *c, struct event *ev, struct frame *frame, bool rule)
{
	struct run *m = &c->run;

	m->event = ev;
	m->frame = frame;
	m->rule = rule;
	m->track = m->path = NULL;
	m->odd = m->failed = false;
	m->stack_end = (char *)__builtin_frame_address(0) - c->stack; /* not where a sanitizer keeps locals */
}

static void clear_vars(struct compiled *c)
{
	for (unsigned i = 0; i < c->program.n_slots; i++)
		val_free(val_take(&c->vars[i]));
}

/* Its first output: GIVEN, NOTHING or FAILED. */
static int run_program(struct compiled *c, struct event *ev, struct val *out)
{
	struct run *m = &c->run;
	struct frame frame = {.vars = c->vars};
	struct result result = {.cont = {take_result}};
	int r;

	prepare(c, ev, &frame, false);
	if (c->program.main->simple) {
		r = one(m, c->program.main, val_take(&c->state), out);
	} else {
		r = many(m, c->program.main, val_take(&c->state), &result.cont);
		*out = result.v;
		r = r == STOP ? GIVEN : r;
	}
	clear_vars(c);
	return r;
}

static int report(struct run *m, struct diag *diag)
{
	struct val v = run_catch(m);

	if (v.kind != VAL_STRING)
		v = val_dump(v);
	diag_set_text(diag, 0, val_slice(v));
	val_free(v);
	return -EINVAL;
}

static bool same(struct val before, struct val after)
{
	if (before.kind == VAL_NUMBER && after.kind == VAL_NUMBER)
		return before.u.number == after.u.number;
	if (before.kind == VAL_STRING && after.kind == VAL_STRING)
		return slice_eq(val_slice(before), val_slice(after));
	return val_identical(before, after);
}

static int fold(struct compiled *c, struct event *ev, struct diag *diag)
{
	struct run *m = &c->run;
	struct val next;
	int r;

	m->kept = val_copy(c->state);
	r = run_program(c, ev, &next);
	struct val kept = val_take(&m->kept);
	if (likely(r == GIVEN)) {
		if (unlikely(m->odd))
			make_even(&next, 0);
		c->state = next;
		bool unchanged = kept.kind && same(kept, next);
		val_free(kept);
		return unchanged ? EVENTFOLD_SAME : EVENTFOLD_CHANGED;
	}
	bool lost = kept.kind == VAL_NONE;
	c->state = lost ? VAL(VAL_NULL) : kept;
	if (r == FAILED)
		return report(m, diag);
	return lost ? diag_set(diag, -EINVAL, "no output after a change of the state") : EVENTFOLD_SAME;
}

int compiled_fold(struct compiled *c, struct event *ev, struct diag *diag)
{
	int r;

	if (setjmp(c->run.no_memory)) {
		/* Nobody knows any more who holds what. */
		val_rescue(NULL);
		c->state = c->run.kept = VAL(VAL_NULL);
		c->lost = true;
		for (unsigned i = 0; i < c->program.n_slots; i++)
			c->vars[i] = VAL(VAL_NONE);
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	if (c->lost)
		return diag_set(diag, -ENOMEM, "out of memory");
	val_rescue(&c->run.no_memory);
	r = fold(c, ev, diag);
	val_rescue(NULL);
	return r;
}

void compiled_save(struct compiled *c)
{
	val_put(&c->saved, val_copy(c->state));
}

void compiled_restore(struct compiled *c)
{
	val_put(&c->state, val_copy(c->saved));
	c->lost = false;
}

void compiled_forget(struct compiled *c)
{
	val_put(&c->saved, VAL(VAL_NONE));
}

const struct val *compiled_state(const struct compiled *c)
{
	return &c->state;
}

struct asking {
	struct cont cont;
	struct diag *why;
	int outcome;
};

static int take_answer(struct run *m, struct cont *cont, struct val v)
{
	struct asking *a = (struct asking *)cont;

	a->outcome = outcome_of(v, a->why);
	return a->outcome == RULE_LETS_IN ? MORE : STOP;
}

static int ask(struct compiled *c, struct val in, struct event *ev, struct diag *why)
{
	struct asking a = {.cont = {take_answer}, .why = why, .outcome = RULE_LETS_IN};
	struct run *m = &c->run;
	struct frame frame = {.vars = c->vars};
	struct val v;
	int r;

	prepare(c, ev, &frame, true);
	if (c->program.main->simple) {
		r = one(m, c->program.main, in, &v);
		if (r == GIVEN)
			take_answer(m, &a.cont, v);
	} else {
		r = many(m, c->program.main, in, &a.cont);
	}
	clear_vars(c);
	if (r == FAILED)
		return outcome_of_error(run_catch(m), why);
	return a.outcome;
}

int compiled_ask(struct compiled *c, struct val in, struct event *ev, struct diag *why)
{
	if (setjmp(c->run.no_memory)) {
		val_rescue(NULL);
		for (unsigned i = 0; i < c->program.n_slots; i++)
			c->vars[i] = VAL(VAL_NONE);
		return diag_set(why, -ENOMEM, "out of memory");
	}
	val_rescue(&c->run.no_memory);
	int r = ask(c, in, ev, why);
	val_rescue(NULL);
	return r;
}

int compiled_write(struct compiled *c, struct buf *out, struct diag *diag)
{
	int err = c->lost ? -ENOMEM : val_write(out, c->state);

	return err == -E2BIG ? diag_set(diag, -EINVAL, "the state is nested more than %d deep", JQ_DEPTH)
			     : err;
}

int compiled_read(struct compiled *c, struct slice json, struct diag *diag)
{
	struct json_error error;

	if (json.len > INT32_MAX)
		return diag_set(diag, -EINVAL, "the state is too large for jq");
	if (!json_check(json, JQ_DEPTH, &error))
		return diag_set(diag, -EINVAL, "the state is not JSON: %s (at its byte %zu)", error.why,
				error.at);
	if (setjmp(c->run.no_memory)) {
		val_rescue(NULL);
		return -ENOMEM;
	}
	val_rescue(&c->run.no_memory);
	val_put(&c->state, val_read(json));
	val_rescue(NULL);
	c->lost = false;
	return 0;
}

void compiled_free(struct compiled *c)
{
	val_free(c->state);
	val_free(c->saved);
	val_free(c->run.error);
	islands_free(&c->run);
	regexes_free(&c->run);
	program_deinit(&c->program);
	free(c->vars);
	free(c);
}
