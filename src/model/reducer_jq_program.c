#include "model/reducer_jq_program.h"

#include <errno.h>

#include "model/reducer_jq_guard.h"

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
    " def todate: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); def todateiso8601: todate;";

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

/* Another libjq, with the program in it. libjq puts ~/.jq in front of every program and makes the environment $ENV, but a reducer is
 * one and the same for everybody: so there is no environment while it compiles. A reducer's process has one thread, see
 * reducer.h. */
static bool compile(struct jq_program *p, const char *text, struct compile_log *log)
{
	char *none[] = {NULL}, **all = environ;
	bool compiled;

	if (p->jq && !p->lost)
		p->lost = !reducer_jq_teardown(p->jq);
	p->jq = jq_init();
	if (!p->jq)
		return false;
	jq_host_attach(p->host, p->jq);
	jq_set_error_cb(p->jq, on_compile_error, log);
	jq_set_attr(p->jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	environ = none;
	p->lost = !reducer_jq_compile(p->jq, text, &compiled, log->diag);
	environ = all;
	if (p->lost)
		log->said = true;
	else
		jq_set_error_cb(p->jq, NULL, NULL);
	p->text = compiled ? text : NULL;
	return compiled;
}
/* The program behind our definitions, on the same line, so that its own count is right. libjq wants text behind the place of an
 * error. */
static int must_check add_text(struct buf *text, const char *prelude, struct slice program, bool ends,
			       size_t *ret_before)
{
	buf_add_str(text, prelude);
	buf_add_str(text, " _input as $event |");
	buf_add_str(text, refusals);
	buf_add_str(text, dates);
	buf_add_str(text, ends ? "label $__end | (" : " ");
	*ret_before = text->len;
	buf_add_slice(text, program);
	buf_add_str(text, ends ? "\n) | ., break $__end" : "\n");
	buf_add_char(text, 0);
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

/* In the way that costs least; whatever is wrong is said of the user's own text. */
static int must_check load(struct jq_program *p, struct slice program, struct slice form, struct diag *diag)
{
	struct compile_log log = {.program = program, .diag = diag}, quiet = {.said = true};
	size_t before;
	int err = add_text(&p->plain, "", program, false, &log.before);

	if (!err && p->scan.in_place)
		err = add_text(&p->other, jq_host_prelude(p->scan.updates), form, false, &before);
	else if (!err && p->scan.paths)
		err = add_text(&p->other, "", program, true, &before);
	if (err)
		return err;
	p->host->may_empty = p->scan.updates;
	if (p->scan.in_place && compile(p, p->other.data, &quiet))
		return 0;
	p->scan.in_place = false;
	if (compile(p, p->plain.data, &log)) {
		/* It is whole by itself; only then may it be put into parentheses. */
		bool put = p->scan.paths && p->other.len > 0 && compile(p, p->other.data, &quiet);
		if (put || !p->scan.paths || compile(p, p->plain.data, &log))
			return 0;
	}
	return log.said ? -EINVAL : diag_set(diag, -EINVAL, "jq does not compile it");
}

int jq_program_init(struct jq_program *p, struct jq_host *h, struct slice program, struct diag *diag)
{
	auto_buf struct buf form = {0};
	int err;

	*p = (struct jq_program){.host = h};
	if (memchr(program.data ? program.data : "", 0, program.len))
		return diag_set(diag, -EINVAL, "the program has a zero byte in it");
	err = reducer_jq_scan(&p->scan, program, &form);
	if (!err)
		err = check_program(&p->scan, diag);
	return err ? err : load(p, program, buf_slice(&form), diag);
}

void jq_program_deinit(struct jq_program *p)
{
	if (p->jq && !p->lost)
		reducer_jq_teardown(p->jq);
	p->jq = NULL;
	buf_deinit(&p->plain);
	buf_deinit(&p->other);
}

/* It may have been left in a path with its first output, and libjq 1.6 then aborts at the next start. To be asked for more takes it
 * back to where it began: `break` ends it, and what catches that comes to an end by itself. */
static void finish(struct jq_program *p)
{
	struct diag diag;
	jv more;

	while (!p->lost) {
		p->lost = !reducer_jq_next(p->jq, &more, &diag);
		if (p->lost)
			break;
		bool over = !jv_is_valid(more);
		jv_free(more);
		if (over)
			break;
	}
}

/* Where libjq has come to an end, another one. */
static bool revive(struct jq_program *p, struct diag *diag)
{
	struct compile_log quiet = {.said = true, .diag = diag};

	return !p->lost || compile(p, p->text, &quiet);
}

/* Takes the input, of which another try needs a copy. */
static bool start(struct jq_program *p, jv input, struct diag *diag)
{
	if (!revive(p, diag)) {
		jv_free(input);
		return false;
	}
	p->lost = !reducer_jq_start(p->jq, p->scan.in_place ? input : jv_copy(input), diag);
	if (p->lost && !p->scan.in_place && revive(p, diag))
		p->lost = !reducer_jq_start(p->jq, jv_copy(input), diag);
	if (!p->scan.in_place)
		jv_free(input);
	return !p->lost;
}

int jq_program_run(struct jq_program *p, jv *state, struct diag *diag)
{
	jv input = *state;

	*state = jv_invalid();
	diag->text[0] = 0;
	if (!start(p, input, diag))
		return diag->text[0] ? -EINVAL : diag_set(diag, -ENOMEM, "jq can't be started");
	p->lost = !reducer_jq_next(p->jq, state, diag);
	if (p->lost)
		return -EINVAL;
	if (p->scan.paths && jv_is_valid(*state))
		finish(p);
	return 0;
}
