/* The jq host. The user's program runs once for each event, with the state as its input: the state is handed over to
 * libjq and the next one taken from it, so that between events there is one holder, and a change happens in place. */
#include "model/reducer.h"

#include <errno.h>
#include <jq.h>

#include "model/reducer_jq_event.h"
#include "model/reducer_jq_host.h"
#include "model/reducer_jq_scan.h"
#include "model/reducer_jq_text.h"

struct reducer_jq {
	struct reducer base;
	jq_state *jq;
	struct jq_host host;
	enum jq_hold hold;
	unsigned need;
	jv state;
};

/* What a pure function has no use for. A definition that nobody refers to is dropped before its body is looked at, so
 * these are errors only where the program uses them, and not where it has a function of the same name. */
#define REFUSED "not_in_a_reducer_"
#define REFUSE(name) " def " name ": " REFUSED name ";"
static const char refusals[] = REFUSE("now") REFUSE("localtime") REFUSE("env") REFUSE("input")
    REFUSE("inputs") REFUSE("_input") REFUSE("debug") REFUSE("stderr") REFUSE("halt") REFUSE("halt_error")
	REFUSE("input_filename") REFUSE("input_line_number") REFUSE("get_search_list")
	    REFUSE("get_prog_origin") REFUSE("get_jq_origin")
		REFUSE("modulemeta") " def strflocaltime(f): " REFUSED "strflocaltime;"
				     " def halt_error(f): " REFUSED "halt_error;";

#define NOT_AVAILABLE "`%.*s` is not available in a reducer: it must depend on the state and the event only"

/* Takes the messages of one compilation. */
struct compile_log {
	struct slice program;
	struct diag *diag;
	bool said;
};

/* "jq: error: WHAT at <top-level>, line N:\nTHE LINE" and as many blanks as the column says. The first line is ours. */
static void report_compile_error(struct compile_log *log, const char *text)
{
	static const char prefix[] = "jq: error: ", quoting[] = " (Unix shell quoting issues?)";
	static const char place[] = " at <top-level>, line ";
	const char *refused = strstr(text, REFUSED), *at = strstr(text, place), *cut = strstr(text, quoting);
	size_t line = at ? strtoul(at + strlen(place), NULL, 10) : 0;

	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	if (refused) {
		refused += strlen(REFUSED);
		diag_set(log->diag, 0, NOT_AVAILABLE, (int)strcspn(refused, "/"), refused);
		return;
	}
	if (!at || line < 2) {
		diag_set(log->diag, 0, "%s", text);
		return;
	}
	/* The line's own length is in the program; what follows it in the message is the column. */
	const char *from = log->program.data, *end = from + log->program.len, *stop;
	for (size_t i = 2; i < line && from < end; i++) {
		const char *newline = memchr(from, '\n', (size_t)(end - from));
		from = newline ? newline + 1 : end;
	}
	stop = memchr(from, '\n', (size_t)(end - from));
	size_t len = (size_t)((stop ? stop : end) - from);
	const char *source = strchr(at, '\n');
	size_t blanks = source && strlen(source + 1) >= len ? strlen(source + 1) - len : 0;
	diag_set(log->diag, 0, "line %zu, column %zu: %.*s: %.*s", line - 1, blanks + 1,
		 (int)((cut && cut < at ? cut : at) - text), text, (int)len, from);
}

static void on_compile_error(void *arg, jv message)
{
	struct compile_log *log = arg;

	/* The first one counts: the rest follows from it. */
	if (!log->said) {
		log->said = true;
		if (jv_get_kind(message) == JV_KIND_STRING)
			report_compile_error(log, jv_string_value(message));
		else
			diag_set(log->diag, 0, "jq has no memory");
	}
	jv_free(message);
}

/* libjq puts ~/.jq in front of every program and makes the environment $ENV, but a reducer is one and the same for
 * everybody: so there is no environment while it compiles. A reducer's process has one thread, see reducer.h. */
static bool compile(jq_state *jq, const char *text)
{
	char *none[] = {NULL}, **all = environ;
	bool compiled;

	environ = none;
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	compiled = jq_compile(jq, text);
	environ = all;
	return compiled;
}

/* Ours is the first line, the user's begin on the second. libjq wants text behind the place of an error. */
static int must_check add_text(struct buf *text, const struct jq_scan *scan, struct slice program)
{
	buf_add_str(text, jq_host_prelude(scan->updates));
	buf_add_str(text, " _input as $event |");
	buf_add_str(text, refusals);
	buf_add_char(text, '\n');
	buf_add_slice(text, program);
	buf_add(text, "\n", 2);
	return buf_error(text);
}

static int must_check load_program(struct reducer_jq *r, struct slice program, struct diag *diag)
{
	auto_buf struct buf text = {0}, collected = {0}, better = {0};
	struct compile_log log = {program, diag, false};
	struct jq_scan scan;
	int err;

	if (memchr(program.data ? program.data : "", 0, program.len))
		return diag_set(diag, -EINVAL, "the program has a zero byte in it");
	err = reducer_jq_scan(&scan, program, &collected);
	if (err)
		return err;
	if (scan.empty)
		return diag_set(diag, -EINVAL, "the program is empty");
	if (scan.env)
		return diag_set(diag, -EINVAL, NOT_AVAILABLE, 4, "$ENV");
	if (scan.module)
		return diag_set(diag, -EINVAL, "`%s` is not available in a reducer: it is one file",
				scan.module);
	r->need = scan.need;
	r->hold = scan.hold;
	r->host.may_empty = scan.updates;
	r->host.keep = scan.hold == JQ_HOLD_ALWAYS;

	err = add_text(&text, &scan, program);
	if (!err && collected.len > 0)
		err = add_text(&better, &scan, buf_slice(&collected));
	if (err)
		return err;
	/* The user's own first: what is wrong with it is said in its own words. */
	jq_set_error_cb(r->jq, on_compile_error, &log);
	bool compiled = compile(r->jq, text.data);
	if (compiled && better.len > 0 && !compile(r->jq, better.data))
		compiled = compile(r->jq, text.data);
	jq_set_error_cb(r->jq, NULL, NULL);
	if (compiled)
		return 0;
	return log.said ? -EINVAL : diag_set(diag, -EINVAL, "jq does not compile it");
}

/* jq's message: a string, or whatever the program gave to `error`. Consumes it. */
static int set_error(struct diag *diag, jv message)
{
	auto_buf struct buf text = {0};
	jv value = jv_invalid_get_msg(message);
	int err = -EINVAL;

	if (jv_get_kind(value) == JV_KIND_STRING)
		diag_set(diag, 0, "%s", jv_string_value(value));
	else if (reducer_jq_text(&text, value) == 0)
		diag_set(diag, 0, "%.*s", (int)text.len, text.data);
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

static int reducer_jq_fold(struct reducer *base, struct event *ev, struct diag *diag)
{
	struct reducer_jq *r = container_of(base, struct reducer_jq, base);
	struct jq_host *h = &r->host;
	int result;

	h->event = reducer_jq_event(ev, r->need);
	if (!jv_is_valid(h->event)) {
		jv error = h->event;
		h->event = jv_invalid();
		return set_error(diag, error);
	}
	bool hold = r->hold != JQ_HOLD_NEVER;
	bool scalar = jv_get_kind(r->state) != JV_KIND_OBJECT && jv_get_kind(r->state) != JV_KIND_ARRAY;
	h->kept = hold || scalar ? jv_copy(r->state) : jv_invalid();
	jq_start(r->jq, r->state, 0);
	r->state = jq_next(r->jq);
	jq_host_reset(h);
	jv kept = h->kept;
	h->kept = jv_invalid();

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
	if (jv_is_valid(kept))
		return EVENTFOLD_SAME;
	return diag_set(diag, -EINVAL,
			"no output after a change of the state: put the test before the change");
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

	jq_teardown(&r->jq);
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
	r->jq = jq_init();
	if (!r->jq) {
		free(r);
		return -ENOMEM;
	}
	jq_host_init(&r->host, r->jq);
	err = load_program(r, program, diag);
	if (err) {
		reducer_jq_free(&r->base);
		return err;
	}
	*ret = &r->base;
	return 0;
}
