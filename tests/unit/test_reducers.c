/* The shipped reducers: a state that is written, read back and folded on is the one that was never
 * interrupted, wherever the interruption is; what is no state is refused. What the states must be is
 * tests/cli/test_reducers.py's business. The argument is the directory they are built in. */
#include "check.h"

#include <fcntl.h>

#include "model/host/reducer.h"

static const char *const names[] = {"count", "types", "todos", "stats", "notes", "tags", "files", "latest"};

static struct reducer *load(const char *dir, const char *name)
{
	struct diag diag = {0};
	struct reducer *r;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.so", dir, name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	int result = reducer_load_c(&r, fd, &diag);
	CHECK_STR(diag.text, "");
	CHECK_INT(result, 0);
	return r;
}

/* A line of a log that is the same in every run; strings need all kinds of escapes. */
static const char *line(unsigned n, char *room, size_t size)
{
	static const char *const words[] = {"",        "a", "b\\u0000", "\\\"",         "\\\\",
					    "\\u00e9", "é", "😀",        "\\n\\t\\u001f"};
	unsigned random = n * 2654435761u >> 7;
	const char *word = words[random % countof(words)], *other = words[random / 16 % countof(words)];
	unsigned id = random / 64 % (n / 3 + 1);

	switch (random / 4096 % 8) {
	case 0:
	case 1:
		snprintf(room, size, "{\"type\":\"todo_added\",\"data\":{\"text\":\"%s\"}}", word);
		break;
	case 2:
		snprintf(room, size, "{\"type\":\"todo_completed\",\"data\":{\"id\":%u}}", id);
		break;
	case 3:
		snprintf(room, size, "{\"type\":\"todo_deleted\",\"data\":{\"id\":%u}}", id);
		break;
	case 4:
		snprintf(room, size,
			 "{\"type\":\"note_added\",\"data\":{\"text\":\"%s\",\"tags\":[\"%s\",1,\"x\"]}}",
			 word, other);
		break;
	case 5:
		snprintf(room, size, "{\"type\":\"file_added\",\"data\":{\"path\":\"%s/%s\"}}", word, other);
		break;
	case 6:
		snprintf(room, size, "{\"type\":\"file_removed\",\"data\":{\"path\":\"%s/%s\"}}", word,
			 other);
		break;
	default:
		snprintf(room, size, "{\"type\":\"x%s\",\"data\":{\"key\":\"%s\",\"v\":[ 1.0 , \" %s\" ]}}",
			 other, word, word);
	}
	return room;
}

static void fold(struct reducer *r, unsigned from, unsigned to)
{
	struct event ev = {0};
	struct diag diag = {0};
	struct json_error error;
	char room[512];

	for (unsigned i = from; i < to; i++) {
		CHECK(event_scan(&ev, slice_of(line(i, room, sizeof(room))), &error));
		CHECK(r->class->fold(r, &ev, &diag) >= 0);
	}
	event_deinit(&ev);
}

static void check_state(struct reducer *r, const struct buf *want)
{
	auto_buf struct buf state = {0};
	struct diag diag = {0};

	CHECK_INT(r->class->write(r, &state, &diag), 0);
	CHECK_MEM(state.data, state.len, want->data, want->len);
}

static void test_interrupted(const char *dir, const char *name)
{
	const unsigned n = 300;
	auto_buf struct buf whole = {0};
	struct diag diag = {0};
	struct reducer *r = load(dir, name);

	fold(r, 0, n);
	CHECK_INT(r->class->write(r, &whole, &diag), 0);
	reducer_free(r);

	for (unsigned k = 0; k <= n; k += k < 20 ? 1 : 7) {
		auto_buf struct buf state = {0};
		struct reducer *before = load(dir, name), *after = load(dir, name);

		fold(before, 0, k);
		CHECK_INT(before->class->write(before, &state, &diag), 0);
		CHECK_INT(after->class->read(after, buf_slice(&state), &diag), 0);
		check_state(after, &state);
		fold(after, k, n);
		check_state(after, &whole);
		fold(before, k, n); /* writing changed nothing */
		check_state(before, &whole);
		reducer_free(before);
		reducer_free(after);
	}
}

/* After an event, is the state said to have changed exactly where its text has? */
static void test_changed(const char *dir, const char *name)
{
	auto_buf struct buf old = {0};
	struct reducer *r = load(dir, name);
	struct event ev = {0};
	struct diag diag = {0};
	struct json_error error;
	char room[512];

	CHECK_INT(r->class->write(r, &old, &diag), 0);
	for (unsigned i = 0; i < 300; i++) {
		auto_buf struct buf now = {0};

		CHECK(event_scan(&ev, slice_of(line(i, room, sizeof(room))), &error));
		int result = r->class->fold(r, &ev, &diag);
		CHECK_INT(r->class->write(r, &now, &diag), 0);
		CHECK_INT(result,
			  slice_eq(buf_slice(&now), buf_slice(&old)) ? EVENTFOLD_SAME : EVENTFOLD_CHANGED);
		buf_clear(&old);
		buf_add_slice(&old, buf_slice(&now));
	}
	event_deinit(&ev);
	reducer_free(r);
}

static void test_refused(const char *dir)
{
	static const struct {
		const char *name, *state;
	} bad[] = {
	    {"count", "{}"},
	    {"count", "{\"count\":-1}"},
	    {"count", "{\"count\":1.5}"},
	    {"types", "[]"},
	    {"types", "{\"a\":1,\"b\":\"2\"}"},
	    {"todos", "{\"items\":[]}"},
	    {"todos", "{\"items\":[{\"id\":0,\"text\":\"a\",\"done\":false}],\"next_id\":0}"},
	    {"todos", "{\"items\":[{\"id\":0,\"text\":1,\"done\":false}],\"next_id\":1}"},
	    {"todos",
	     "{\"items\":[{\"id\":2,\"text\":\"\",\"done\":true},{\"id\":1,\"text\":\"\",\"done\":true}],"
	     "\"next_id\":3}"},
	    {"stats", "{\"created\":1,\"completed\":0}"},
	    {"notes", "{\"notes\":[{\"id\":1,\"text\":\"a\",\"tags\":[]}],\"next_id\":2}"},
	    {"notes", "{\"notes\":[{\"id\":0,\"text\":\"a\",\"tags\":\"\"}],\"next_id\":1}"},
	    {"notes", "{\"notes\":[{\"id\":0,\"text\":\"a\",\"tags\":[]}],\"next_id\":2}"},
	    {"tags", "{\"counts\":{\"a\":null}}"},
	    {"tags", "{\"a\":1}"},
	    {"files", "{\"files\":[\"a\",2]}"},
	    {"files", "{\"files\":{\"a\":\"b\"}}"},
	    {"latest", "\"a\""},
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct diag diag = {0};
		struct reducer *r = load(dir, bad[i].name);

		CHECK(r->class->read(r, slice_of(bad[i].state), &diag) < 0);
		reducer_free(r);
	}
	for (size_t i = 0; i < countof(names); i++) {
		struct diag diag = {0};
		struct reducer *r = load(dir, names[i]);

		CHECK(r->class->read(r, SLICE("null"), &diag) < 0);
		reducer_free(r);
	}
}

/* All in one process: each is itself, though they may come from descriptors of the same number. */
static void test_side_by_side(const char *dir)
{
	static const char *const empty[] = {
	    "{\"count\":0}",
	    "{}",
	    "{\"items\":[],\"next_id\":0}",
	    "{\"created\":0,\"completed\":0,\"deleted\":0}",
	    "{\"notes\":[],\"next_id\":0}",
	    "{\"counts\":{}}",
	    "{\"files\":[]}",
	    "{}",
	};
	struct reducer *all[countof(names)];

	for (size_t i = 0; i < countof(names); i++)
		all[i] = load(dir, names[i]);
	for (size_t i = 0; i < countof(names); i++) {
		auto_buf struct buf want = {0};

		buf_add_str(&want, empty[i]);
		check_state(all[i], &want);
		reducer_free(all[i]);
	}
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	test_side_by_side(argv[1]);
	for (size_t i = 0; i < countof(names); i++) {
		test_interrupted(argv[1], names[i]);
		test_changed(argv[1], names[i]);
	}
	test_refused(argv[1]);
	return 0;
}
