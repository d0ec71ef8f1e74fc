/* The jq host. The user's program runs once for each event, with the state as its input.
 *
 * Any program is run as libjq runs it, on a copy of the state. One of the common forms (reducer_jq_scan.h) has the state handed
 * over and the next one taken from it, so that between events there is one holder, and a change happens in place. */
#include "model/reducer.h"

#include <errno.h>
#include <fenv.h>

#include "model/reducer_jq_event.h"
#include "model/reducer_jq_program.h"
#include "model/reducer_jq_text.h"

struct reducer_jq {
	struct reducer base;
	struct jq_program program;
	struct jq_host host;
	jv state;
};

/* jq's message: a string, or whatever the program gave to `error`. Consumes it. */
static int set_error(struct diag *diag, jv message)
{
	auto_buf struct buf text = {0};
	jv value = jv_invalid_get_msg(message);
	int err = -EINVAL;

	if (jv_get_kind(value) == JV_KIND_STRING)
		diag_set_text(
		    diag, 0,
		    (struct slice){jv_string_value(value), (size_t)jv_string_length_bytes(jv_copy(value))});
	else if (reducer_jq_text(&text, value) == 0)
		diag_set_text(diag, 0, buf_slice(&text));
	else
		diag_set(diag, 0, "jq gave up");
	jv_free(value);
	return err;
}

static bool same(jv kept, jv state)
{
	jv_kind kind = jv_get_kind(state);

	if (!jv_is_valid(kept) || kind != jv_get_kind(kept))
		return false;
	if (kind == JV_KIND_OBJECT || kind == JV_KIND_ARRAY)
		return jv_identical(jv_copy(kept), jv_copy(state));
	return jv_equal(jv_copy(kept), jv_copy(state));
}

/* What JSON has no text for becomes what it would be read back as: the state is the same whether it is saved or not. */
static int must_check make_json(jv *state, struct diag *diag)
{
	auto_buf struct buf text = {0};

	if (reducer_jq_is_json(*state))
		return 0;
	int err = reducer_jq_text(&text, *state);
	if (err)
		return err == -E2BIG ? 0 : err;
	if (text.len > INT32_MAX)
		return diag_set(diag, -EINVAL, "the state is too large for jq");
	jv_free(*state);
	*state = jv_parse_sized(text.data, (int)text.len);
	return 0;
}

/* Runs the program on the state and host.event. Without an output, or where nothing has been changed in place, the state is the old one
 * afterwards. */
static int run(struct reducer_jq *r, struct diag *diag)
{
	const struct jq_scan *scan = &r->program.scan;
	struct jq_host *h = &r->host;
	bool scalar = jv_get_kind(r->state) != JV_KIND_OBJECT && jv_get_kind(r->state) != JV_KIND_ARRAY;
	int result;

	h->kept = !scan->in_place || !scan->sure || scalar ? jv_copy(r->state) : jv_invalid();
	int err = jq_program_run(&r->program, &r->state, diag);
	jv kept = h->kept;
	h->kept = jv_invalid();
	jq_host_reset(h);
	if (jv_is_valid(r->state)) {
		result = same(kept, r->state) ? EVENTFOLD_SAME : EVENTFOLD_CHANGED;
		jv_free(kept);
		return result;
	}
	jv nothing = r->state;
	r->state = jv_is_valid(kept) ? kept : jv_null();
	if (jv_invalid_has_msg(jv_copy(nothing)))
		return set_error(diag, nothing);
	jv_free(nothing);
	if (err)
		return err;
	if (jv_is_valid(kept))
		return EVENTFOLD_SAME;
	return diag_set(diag, -EINVAL,
			"no output after a change of the state: put the test before the change");
}

static int run_on(struct reducer_jq *r, struct event *ev, unsigned need, struct diag *diag)
{
	bool infinite = false;

	r->host.event = reducer_jq_event(ev, need, &infinite);
	if (!jv_is_valid(r->host.event)) {
		jv error = r->host.event;
		r->host.event = jv_invalid();
		return set_error(diag, error);
	}
	int result = run(r, diag);
	/* The processor remembers whether something went beyond its numbers. */
	if (fetestexcept(FE_OVERFLOW | FE_INVALID | FE_DIVBYZERO)) {
		feclearexcept(FE_ALL_EXCEPT);
		infinite = true;
	}
	if (result == EVENTFOLD_CHANGED && (infinite || r->program.scan.infinite)) {
		int err = make_json(&r->state, diag);
		result = err ? err : result;
	}
	return result;
}

static int reducer_jq_fold(struct reducer *base, struct event *ev, struct diag *diag)
{
	struct reducer_jq *r = container_of(base, struct reducer_jq, base);
	const struct jq_scan *scan = &r->program.scan;
	unsigned need = scan->catches ? JQ_NEED_ALL : scan->need;

	int result = run_on(r, ev, need, diag);
	/* An error's text may show the event, and then shows the whole of it. */
	if (result < 0 && !scan->in_place && need != JQ_NEED_ALL)
		result = run_on(r, ev, JQ_NEED_ALL, diag);
	return result;
}

static int reducer_jq_write(struct reducer *base, struct buf *out, struct diag *diag)
{
	struct reducer_jq *r = container_of(base, struct reducer_jq, base);
	int err = reducer_jq_text(out, r->state);

	return err == -E2BIG ? diag_set(diag, -EINVAL, "the state is nested more than %d deep", JQ_DEPTH)
			     : err;
}

static int reducer_jq_read(struct reducer *base, struct slice json, struct diag *diag)
{
	struct reducer_jq *r = container_of(base, struct reducer_jq, base);
	jv state;

	if (json.len > INT32_MAX)
		return diag_set(diag, -EINVAL, "the state is too large for jq");
	state = jv_parse_sized(json.data, (int)json.len);
	if (!jv_is_valid(state))
		return set_error(diag, state);
	jv_free(r->state);
	r->state = state;
	return 0;
}

static void reducer_jq_free(struct reducer *base)
{
	struct reducer_jq *r = container_of(base, struct reducer_jq, base);

	jq_program_deinit(&r->program);
	jq_host_deinit(&r->host);
	jv_free(r->state);
	free(r);
}

static const struct reducer_class reducer_jq_class = {
    .kind = "jq",
    .fold = reducer_jq_fold,
    .write = reducer_jq_write,
    .read = reducer_jq_read,
    .free = reducer_jq_free,
};

int reducer_load_jq(struct reducer **ret, struct slice program, struct diag *diag)
{
	struct reducer_jq *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->base.class = &reducer_jq_class;
	r->state = jv_null();
	jq_host_init(&r->host);
	err = jq_program_init(&r->program, &r->host, program, diag);
	if (err) {
		reducer_jq_free(&r->base);
		return err;
	}
	*ret = &r->base;
	return 0;
}
