#include "model/host/jq/plain.h"

#include <errno.h>
#include <jq.h>
#include <math.h>

#include "model/eventfold/reducer.h"
#include "model/host/jq/bridge.h"
#include "model/host/jq/event.h"
#include "model/host/jq/guard.h"
#include "model/host/jq/libjq.h"
#include "model/host/jq/outcome.h"
#include "model/host/jq/text.h"

struct plain {
	jq_state *jq;
	jv state, saved;     /* the second null where nothing is */
	struct event *event; /* while it runs */
	struct buf text;     /* the program as libjq gets it */
	bool lost;           /* libjq is not to be touched any more: it is begun anew */
	bool exhaust;        /* it must be asked for all its outputs */
};

/* libjq has no way to give a program another variable each time, but it has one to give it an input. */
#define MOST_OUTPUTS 10000
#define PREFIX " as [$event, $seq, $off] | "
/* For a rule. The inner `error` is libjq's own. */
#define ERRORS "def error(f): f | if . == null then \"null\" else . end | error; def error: error(.); "

static jv give_event(jq_state *jq, void *arg)
{
	struct plain *p = arg;
	jv given = jv_array_append(jv_array_sized(3), event_jv(p->event));

	given = jv_array_append(given, jv_number((double)p->event->pub.seq));
	return jv_array_append(given, jv_number((double)p->event->pub.off));
}

/* Where libjq has come to an end, another one. */
static int must_check begin(struct plain *p, struct diag *diag)
{
	p->jq = jq_init();
	if (!p->jq)
		return -ENOMEM;
	p->lost = !libjq_compile(p->jq, p->text.data);
	if (p->lost)
		return diag_set(diag, -EINVAL, "jq does not compile it");
	jq_set_input_cb(p->jq, give_event, p);
	return 0;
}

int plain_new(struct plain **ret, struct slice program, bool rule, struct diag *diag)
{
	struct plain *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->state = p->saved = jv_null();
	buf_add_str(&p->text, libjq_is_later() ? "input" : "_input");
	buf_add_str(&p->text, PREFIX);
	if (rule)
		buf_add_str(&p->text, ERRORS);
	buf_add_slice(&p->text, program);
	buf_add(&p->text, "\n", 2);
	int err = buf_error(&p->text);
	if (!err)
		err = begin(p, diag);
	if (err)
		plain_free(p);
	else
		*ret = p;
	return err;
}

static bool same(jv before, jv after)
{
	jv_kind kind = jv_get_kind(before);

	if (kind != jv_get_kind(after))
		return false;
	if (kind == JV_KIND_OBJECT || kind == JV_KIND_ARRAY)
		return jv_identical(jv_copy(before), jv_copy(after));
	return jv_equal(jv_copy(before), jv_copy(after)) == 1;
}

static bool is_even(jv v, int level)
{
	bool even = true;

	if (jv_get_kind(v) == JV_KIND_NUMBER)
		return isfinite(jv_number_value(v));
	if (level > JQ_DEPTH)
		return true;
	if (jv_get_kind(v) == JV_KIND_ARRAY) {
		jv_array_foreach(v, i, element)
		{
			even = even && is_even(element, level + 1);
			jv_free(element);
		}
	} else if (jv_get_kind(v) == JV_KIND_OBJECT) {
		for (int i = jv_object_iter(v); even && jv_object_iter_valid(v, i);
		     i = jv_object_iter_next(v, i)) {
			jv value = jv_object_iter_value(v, i);
			even = is_even(value, level + 1);
			jv_free(value);
		}
	}
	return even;
}

/* The state is what its text says: a number that JSON has no text for is what that would be read back as. */
static int make_even(struct plain *p, struct diag *diag)
{
	auto_buf struct buf text = {0};

	if (is_even(p->state, 0))
		return EVENTFOLD_CHANGED;
	int err = plain_write(p, &text, diag);
	if (!err)
		err = plain_read(p, buf_slice(&text), diag);
	return err ? err : EVENTFOLD_CHANGED;
}

/* What the program holds after its first output. It may have been left in the middle of a path, and libjq 1.6
 * then aborts when it is to begin anew: from then on it is asked for its other outputs, too, which takes it
 * back to where it began. */
static void let_go(struct plain *p, bool more)
{
	struct diag ignored;
	jv next;

	for (unsigned n = 0; p->exhaust && more && !p->lost && n < MOST_OUTPUTS; n++) {
		p->lost = !guard_next(p->jq, &next, &ignored);
		if (p->lost)
			break;
		more = jv_is_valid(next);
		jv_free(next);
	}
	if (p->lost || guard_start(p->jq, jv_null(), &ignored))
		return;
	p->lost = p->exhaust = true;
}

/* It can be asked about that event. */
static int must_check prepare(struct plain *p, struct event *ev, struct diag *diag)
{
	jv event = event_jv(ev);

	if (!jv_is_valid(event))
		return libjq_error(diag, event);
	jv_free(event);
	p->event = ev;
	return p->lost ? begin(p, diag) : 0;
}

int plain_fold(struct plain *p, struct event *ev, struct diag *diag)
{
	jv next;

	int err = prepare(p, ev, diag);
	if (err)
		return err;
	p->lost = !guard_start(p->jq, jv_copy(p->state), diag) || !guard_next(p->jq, &next, diag);
	if (p->lost)
		return -EINVAL;
	let_go(p, jv_is_valid(next));
	if (!jv_is_valid(next)) {
		if (jv_invalid_has_msg(jv_copy(next)))
			return libjq_error(diag, next);
		jv_free(next);
		return EVENTFOLD_SAME;
	}
	bool unchanged = same(p->state, next);
	jv_free(p->state);
	p->state = next;
	return unchanged ? EVENTFOLD_SAME : make_even(p, diag);
}

/* The program has said all it has to say. */
static int last_outcome(jv end, struct diag *why)
{
	struct diag error;

	if (!jv_invalid_has_msg(jv_copy(end))) {
		jv_free(end);
		return RULE_LETS_IN;
	}
	(void)libjq_error(&error, end);
	diag_set(why, 0, "it failed: %.400s", error.text);
	return RULE_REFUSES;
}

int plain_ask(struct plain *p, jv in, struct event *ev, struct diag *why)
{
	int outcome = RULE_LETS_IN;
	jv next;

	int err = prepare(p, ev, why);
	if (err) {
		jv_free(in);
		return err;
	}
	p->lost = !guard_start(p->jq, in, why);
	while (!p->lost && outcome == RULE_LETS_IN) {
		p->lost = !guard_next(p->jq, &next, why);
		if (p->lost)
			break;
		if (!jv_is_valid(next)) {
			let_go(p, false);
			return last_outcome(next, why);
		}
		outcome = outcome_of(val_of_jv(next), why);
	}
	if (p->lost)
		return RULE_REFUSES;
	let_go(p, true);
	return outcome;
}

void plain_save(struct plain *p)
{
	jv_free(p->saved);
	p->saved = jv_copy(p->state);
}

void plain_restore(struct plain *p)
{
	jv_free(p->state);
	p->state = jv_copy(p->saved);
}

void plain_forget(struct plain *p)
{
	jv_free(p->saved);
	p->saved = jv_null();
}

const jv *plain_state(const struct plain *p)
{
	return &p->state;
}

/* As libjq writes it: from 1.7 on numbers may have more digits than are computed with. */
static int rewrite(struct plain *p, struct buf *out, size_t begin)
{
	jv text = jv_dump_string(jv_copy(p->state), 0);

	out->len = begin;
	buf_add_str(out, jv_string_value(text));
	jv_free(text);
	return buf_error(out);
}

int plain_write(struct plain *p, struct buf *out, struct diag *diag)
{
	size_t begin = out->len;
	struct val state = val_of_jv(jv_copy(p->state));
	int err = val_write(out, state);

	val_free(state);
	if (!err && libjq_is_later())
		err = rewrite(p, out, begin);
	return err == -E2BIG ? diag_set(diag, -EINVAL, "the state is nested more than %d deep", JQ_DEPTH)
			     : err;
}

int plain_read(struct plain *p, struct slice json, struct diag *diag)
{
	jv state;

	if (json.len > INT32_MAX)
		return diag_set(diag, -EINVAL, "the state is too large for jq");
	state = jv_parse_sized(json.data, (int)json.len);
	if (!jv_is_valid(state))
		return libjq_error(diag, state);
	jv_free(p->state);
	p->state = state;
	return 0;
}

void plain_free(struct plain *p)
{
	if (p->jq && !p->lost)
		guard_teardown(p->jq);
	buf_deinit(&p->text);
	jv_free(p->state);
	jv_free(p->saved);
	free(p);
}
