/* The jq host. The user's program runs once for each event, with the state as its input.
 *
 * Any program is run as libjq runs it, on a copy of the state. One of the common forms (reducer_jq_scan.h) has the state handed
 * over and the next one taken from it, so that between events there is one holder, and a change happens in place. */
#include "model/reducer.h"

#include <errno.h>
#include <fenv.h>
#include <jq.h>

#include "model/reducer_jq_event.h"
#include "model/reducer_jq_guard.h"
#include "model/reducer_jq_host.h"
#include "model/reducer_jq_scan.h"
#include "model/reducer_jq_text.h"

struct reducer_jq {
	struct reducer base;
	jq_state *jq;
	struct jq_host host;
	struct jq_scan scan; /* in_place: so it runs */
	bool lost;           /* libjq is not to be touched any more */
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

/* libjq 1.6 does not look at what gmtime answers before it goes on with it, and takes a format that is no string. */
static const char dates[] =
    " def _strftime(f): strftime(f);"
    " def strftime(f): . as $t | f as $f | if ($f | type) != \"string\" then error(\"strftime/1 requires a "
    "string format\")"
    " else $t | (if type == \"number\" then gmtime else . end) | _strftime($f) end;"
    " def todate: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); def date: todate; def todateiso8601: todate;";

#define NOT_AVAILABLE "`%.*s` is not available in a reducer: it must depend on the state and the event only"

/* Takes the messages of one compilation. */
struct compile_log {
	struct slice program;
	size_t before; /* so much text of ours stands before it, on its first line */
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
	if (refused && at && refused < at) {
		refused += strlen(REFUSED);
		diag_set(log->diag, 0, NOT_AVAILABLE, (int)strcspn(refused, "/"), refused);
		return;
	}
	if (!at || line < 1) {
		diag_set(log->diag, 0, "%s", text);
		return;
	}
	/* The line's own length is in the program; what follows it in the message is the column. */
	const char *from = log->program.data, *end = from + log->program.len, *stop;
	for (size_t i = 1; i < line && from < end; i++) {
		const char *newline = memchr(from, '\n', (size_t)(end - from));
		from = newline ? newline + 1 : end;
	}
	stop = memchr(from, '\n', (size_t)(end - from));
	size_t len = (size_t)((stop ? stop : end) - from), ours = line == 1 ? log->before : 0;
	const char *source = strchr(at, '\n');
	size_t blanks =
	    source && strlen(source + 1) >= len + 2 * ours ? strlen(source + 1) - len - 2 * ours : 0;
	diag_set(log->diag, 0, "line %zu, column %zu: %.*s: %.*s", line, blanks + 1,
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
static bool compile(struct reducer_jq *r, const char *text, struct compile_log *log)
{
	char *none[] = {NULL}, **all = environ;
	bool compiled = false;

	if (r->lost)
		return false;
	environ = none;
	jq_set_error_cb(r->jq, on_compile_error, log);
	jq_set_attr(r->jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	r->lost = !reducer_jq_compile(r->jq, text, &compiled, log->diag);
	environ = all;
	if (r->lost)
		log->said = true;
	else
		jq_set_error_cb(r->jq, NULL, NULL);
	return compiled;
}

/* The program behind our definitions, on the same line, so that its own count is right. libjq wants text behind the place of an
 * error. */
static int must_check add_text(struct buf *text, const char *prelude, struct slice program,
			       size_t *ret_before)
{
	buf_add_str(text, prelude);
	buf_add_str(text, " _input as $event |");
	buf_add_str(text, refusals);
	buf_add_str(text, dates);
	buf_add_char(text, ' ');
	*ret_before = text->len;
	buf_add_slice(text, program);
	buf_add(text, "\n", 2);
	return buf_error(text);
}

/* Why it can't be a reducer, before it is compiled. */
static int check_program(const struct jq_scan *scan, struct diag *diag)
{
	if (scan->empty)
		return diag_set(diag, -EINVAL, "the program is empty");
	if (scan->env)
		return diag_set(diag, -EINVAL, NOT_AVAILABLE, 4, "$ENV");
	if (scan->module)
		return diag_set(diag, -EINVAL, "`%s` is not available in a reducer: it is one file",
				scan->module);
	return 0;
}

static int must_check load_program(struct reducer_jq *r, struct slice program, struct diag *diag)
{
	auto_buf struct buf text = {0}, form = {0}, in_place = {0};
	struct compile_log log = {.program = program, .diag = diag}, quiet = {.said = true};
	size_t before;
	int err;

	if (memchr(program.data ? program.data : "", 0, program.len))
		return diag_set(diag, -EINVAL, "the program has a zero byte in it");
	err = reducer_jq_scan(&r->scan, program, &form);
	if (!err)
		err = check_program(&r->scan, diag);
	if (!err)
		err = add_text(&text, "", program, &log.before);
	if (!err && r->scan.in_place)
		err = add_text(&in_place, jq_host_prelude(r->scan.updates), buf_slice(&form), &before);
	if (err)
		return err;
	r->host.may_empty = r->scan.updates;
	if (r->scan.in_place && compile(r, in_place.data, &quiet))
		return 0;
	/* Whatever is wrong is said of the user's own text. */
	r->scan.in_place = false;
	if (compile(r, text.data, &log))
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
	struct jq_host *h = &r->host;
	bool scalar = jv_get_kind(r->state) != JV_KIND_OBJECT && jv_get_kind(r->state) != JV_KIND_ARRAY;
	int result;

	h->kept = !r->scan.sure || !r->scan.in_place || scalar ? jv_copy(r->state) : jv_invalid();
	jq_start(r->jq, r->state, 0);
	r->lost = !reducer_jq_next(r->jq, &r->state, diag);
	jv kept = h->kept;
	h->kept = jv_invalid();
	if (r->lost) {
		r->state = kept;
		return -EINVAL;
	}
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
	if (jv_is_valid(kept))
		return EVENTFOLD_SAME;
	return diag_set(diag, -EINVAL,
			"no output after a change of the state: put the test before the change");
}

static int run_on(struct reducer_jq *r, struct event *ev, unsigned need, struct diag *diag)
{
	bool infinite = r->scan.infinite;

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
	if (result == EVENTFOLD_CHANGED && (infinite || r->scan.infinite)) {
		int err = make_json(&r->state, diag);
		result = err ? err : result;
	}
	return result;
}

static int reducer_jq_fold(struct reducer *base, struct event *ev, struct diag *diag)
{
	struct reducer_jq *r = container_of(base, struct reducer_jq, base);
	unsigned need = r->scan.catches ? JQ_NEED_ALL : r->scan.need;

	if (r->lost)
		return diag_set(diag, -EINVAL, "jq gave up at an earlier event");
	int result = run_on(r, ev, need, diag);
	/* An error's text may show the event, and then shows the whole of it. */
	if (result < 0 && !r->lost && !r->scan.in_place && need != JQ_NEED_ALL)
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

	if (!r->lost) {
		jq_teardown(&r->jq);
		jq_host_deinit(&r->host);
	}
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
