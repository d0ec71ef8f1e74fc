#include "model/host/jq/libjq.h"

#include <dlfcn.h>
#include <errno.h>

#include "base/buf.h"
#include "model/host/jq/guard.h"

/* libjq puts ~/.jq in front of every program and makes the environment $ENV, but a reducer is one and the
 * same for everybody: so there is no environment while it compiles. A reducer's process has one thread, see
 * reducer.h. */
static bool compile(jq_state *jq, const char *text, jv args, bool *ret_lost, struct diag *diag)
{
	char *none[] = {NULL}, **all = environ;

	environ = none;
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	bool compiled = false, alive = guard_compile(jq, text, args, &compiled, diag);
	environ = all;
	*ret_lost = !alive;
	return compiled;
}

bool libjq_compile(jq_state *jq, const char *text)
{
	bool lost;

	return compile(jq, text, jv_object(), &lost, NULL);
}

/* Takes the messages of one compilation. */
struct messages {
	struct slice program;
	struct diag *diag;
	bool said;
};

/* "jq: error: WHAT at <top-level>, line N:\nTHE LINE" and as many blanks as the column says. */
static void report(struct messages *log, const char *text)
{
	static const char prefix[] = "jq: error: ", quoting[] = " (Unix shell quoting issues?)";
	static const char place[] = " at <top-level>, line ";
	const char *at = strstr(text, place), *cut = strstr(text, quoting);
	size_t line = at ? strtoul(at + strlen(place), NULL, 10) : 0;

	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	if (line == 0) {
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
	size_t len = (size_t)((stop ? stop : end) - from);
	const char *source = strchr(at, '\n');
	size_t blanks = source && strlen(source + 1) >= len ? strlen(source + 1) - len : 0;
	diag_set(log->diag, 0, "line %zu, column %zu: %.*s: %.*s", line, blanks + 1,
		 (int)((cut && cut < at ? cut : at) - text), text, (int)len, from);
}

static void on_message(void *arg, jv message)
{
	struct messages *log = arg;

	/* The first one counts: the rest follows from it. */
	if (!log->said) {
		log->said = true;
		if (jv_get_kind(message) == JV_KIND_STRING)
			report(log, jv_string_value(message));
		else
			diag_set(log->diag, 0, "jq has no memory");
	}
	jv_free(message);
}

static jv arguments(void)
{
	jv args = jv_object_set(jv_object(), jv_string("event"), jv_null());

	args = jv_object_set(args, jv_string("seq"), jv_null());
	return jv_object_set(args, jv_string("off"), jv_null());
}

int libjq_check(struct slice program, struct diag *diag)
{
	auto_buf struct buf text = {0};
	struct messages log = {program, diag, false};
	jq_state *jq = jq_init();

	buf_add_slice(&text, program);
	buf_add(&text, "\n", 2); /* it wants text behind the place of an error */
	if (!jq || buf_error(&text)) {
		jq_teardown(&jq);
		return -ENOMEM;
	}
	jq_set_error_cb(jq, on_message, &log);
	bool lost, compiled = compile(jq, text.data, arguments(), &lost, diag);
	if (lost)
		return -EINVAL;
	guard_teardown(jq);
	if (compiled)
		return 0;
	return log.said ? -EINVAL : diag_set(diag, -EINVAL, "jq does not compile it");
}

int libjq_error(struct diag *diag, jv message)
{
	jv value = jv_invalid_get_msg(message);

	if (jv_get_kind(value) == JV_KIND_NULL && !libjq_is_later()) {
		diag_set(diag, 0, "jq gave up");
		return -EINVAL;
	}
	if (jv_get_kind(value) != JV_KIND_STRING)
		value = jv_dump_string(value, 0);
	diag_set_text(diag, 0,
		      (struct slice){jv_string_value(value), (size_t)jv_string_length_bytes(jv_copy(value))});
	jv_free(value);
	return -EINVAL;
}

bool libjq_is_later(void)
{
	return strcmp(libjq_version(), "1.6") != 0;
}

const char *libjq_version(void)
{
	if (dlsym(RTLD_DEFAULT, "jv_number_abs"))
		return "1.8";
	return dlsym(RTLD_DEFAULT, "jv_number_has_literal") ? "1.7" : "1.6";
}
