/* The oracle: what plain libjq makes of a reducer, event by event. It shares no code with eventfold.
 *
 * A job's program may be several, so that libjq's own definitions (20 ms) are compiled once for all of them:
 * it gets [STATE, EVENT, WHICH] and differential.py puts it together. Here it is a program like any other.
 * Between two events the state is what it is in a snapshot, JSON. See protocol.h.
 *
 * libjq 1.6 may abort when it is started again after a first output, for what it has left behind
 * (path(first(.a, .b))). With the argument --fresh each event gets a libjq of its own, and none is freed: for
 * a few programs. */
#include <jq.h>

#include "protocol.h"

static void say(char kind, jv value)
{
	jv text = jv_dump_string(value, 0);

	printf("%c %s\n", kind, jv_string_value(text));
	jv_free(text);
	fflush(stdout);
}

static void say_error(char kind, jv message)
{
	say(kind, jv_get_kind(message) == JV_KIND_STRING ? message : jv_dump_string(message, 0));
}

struct messages {
	jv first;
};

static void on_message(void *arg, jv message)
{
	struct messages *m = arg;

	if (jv_is_valid(m->first))
		jv_free(message);
	else
		m->first = message;
}

/* One event. False: the run has ended. */
static bool step(jq_state *jq, jv *state, jv input)
{
	jq_start(jq, input, 0);
	jv next = jq_next(jq);

	if (jv_is_valid(next)) {
		jv text = jv_dump_string(next, 0);
		jv_free(*state);
		*state = jv_parse(jv_string_value(text));
		printf("v %s\n", jv_string_value(text));
		fflush(stdout);
		jv_free(text);
		if (jv_is_valid(*state))
			return true;
		say_error('e', jv_invalid_get_msg(jv_copy(*state)));
		return false;
	}
	if (jv_invalid_has_msg(jv_copy(next))) {
		say_error('e', jv_invalid_get_msg(next));
		return false;
	}
	jv_free(next);
	puts("n");
	fflush(stdout);
	return true;
}

static jq_state *compile(const char *program, struct messages *m)
{
	jq_state *jq = jq_init();

	jq_set_error_cb(jq, on_message, m);
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	if (!jq_compile(jq, program))
		jq_teardown(&jq);
	else
		jq_set_error_cb(jq, NULL, NULL);
	return jq;
}

/* `fresh`: the program, where it is to be compiled for each event. */
static void run(jq_state *jq, const char *fresh)
{
	struct messages none = {jv_invalid()};
	int n = read_count();
	char *line = read_line();
	jv start = jv_parse(line), state = jv_array_get(jv_copy(start), 0), which = jv_array_get(start, 1);
	bool goes_on = jq != NULL;

	free(line);
	if (!jv_is_valid(state))
		ask_failed("a bad state");
	for (int i = 0; i < n; i++) {
		line = read_line();
		if (goes_on) {
			limit_run();
			if (fresh)
				jq = compile(fresh, &none);
			jv input = jv_array_append(jv_array(), jv_copy(state));
			input = jv_array_append(input, jv_parse(line));
			goes_on = step(jq, &state, jv_array_append(input, jv_copy(which)));
		}
		free(line);
	}
	if (jq)
		puts(".");
	fflush(stdout);
	jv_free(state);
	jv_free(which);
}

int main(int argc, char **argv)
{
	bool fresh = argc > 1 && strcmp(argv[1], "--fresh") == 0;
	char *program;
	size_t len;
	int runs;

	limit_memory();
	while (read_job(&program, &len, &runs)) {
		struct messages m = {jv_invalid()};

		limit_run();
		jq_state *jq = compile(program, &m);
		if (!jq)
			say_error('c', jv_copy(m.first));
		for (int i = 0; i < runs; i++)
			run(jq, fresh && jq ? program : NULL);
		puts(";");
		fflush(stdout);
		if (jq && !fresh)
			jq_teardown(&jq);
		jv_free(m.first);
		free(program);
	}
	return 0;
}
