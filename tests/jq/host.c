/* The same jobs as plain.c, folded by eventfold's own engine. See protocol.h. */
#include "protocol.h"

#include "model/host/reducer.h"

static void say_error(char kind, const struct diag *why)
{
	auto_buf struct buf text = {0};

	buf_add_json(&text, slice_of(why->text));
	printf("%c %.*s\n", kind, (int)text.len, text.data);
	fflush(stdout);
}

/* One event. False: the run has ended. */
static bool step(struct reducer *r, struct event *ev, struct slice line)
{
	auto_buf struct buf text = {0};
	struct json_error error;
	struct diag why = {0};

	if (!event_scan(ev, line, &error))
		ask_failed(error.why);
	int result = r->class->fold(r, ev, &why);
	if (result == EVENTFOLD_SAME || result == EVENTFOLD_CHANGED) {
		if (r->class->write(r, &text, &why) == 0) {
			printf("%c %.*s\n", result == EVENTFOLD_SAME ? 's' : 'v', (int)text.len, text.data);
			fflush(stdout);
			return true;
		}
	}
	say_error('e', &why);
	return false;
}

static void run(struct reducer *r)
{
	int n = read_count();
	char *line = read_line();
	struct event ev = {0};
	struct diag why = {0};
	bool goes_on = r != NULL;

	if (r && r->class->read(r, slice_of(line), &why) < 0)
		ask_failed(why.text);
	free(line);
	for (int i = 0; i < n; i++) {
		line = read_line();
		if (goes_on) {
			limit_run();
			goes_on = step(r, &ev, slice_of(line));
		}
		event_deinit(&ev);
		ev = (struct event){0};
		free(line);
	}
	if (r)
		puts(".");
	fflush(stdout);
}

int main(void)
{
	char *program;
	size_t len;
	int runs;

	limit_memory();
	while (read_job(&program, &len, &runs)) {
		struct reducer *r = NULL;
		struct diag why = {0};

		limit_run();
		if (reducer_load_jq(&r, (struct slice){program, len}, &why) < 0) {
			r = NULL;
			say_error('c', &why);
		}
		for (int i = 0; i < runs; i++)
			run(r);
		puts(";");
		fflush(stdout);
		reducer_free(r);
		free(program);
	}
	return 0;
}
