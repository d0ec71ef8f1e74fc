/* The host of reducers in C: what it loads and refuses, both levels, states that go out and come back. The
 * argument is the directory in which tests/unit/reducers were built. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "model/host/reducer.h"

static int open_object(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/test_%s.so", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static struct reducer *load(const char *dir, const char *name)
{
	auto_close int fd = open_object(dir, name);
	struct diag diag = {0};
	struct reducer *r;

	int result = reducer_load(&r, REDUCER_C, fd, &diag);
	CHECK_STR(diag.text, "");
	CHECK_INT(result, 0);
	CHECK_STR(r->class->kind, "c");
	return r;
}

/* Folds one line; the result, and what was said goes to diag. */
static int fold(struct reducer *r, const char *line, struct diag *diag)
{
	struct event ev = {0};
	struct json_error error;

	CHECK(event_scan(&ev, slice_of(line), &error));
	ev.pub.seq = 3;
	ev.fail = diag;
	diag->text[0] = '\0';
	int result = r->class->fold(r, &ev, diag);
	event_deinit(&ev);
	return result;
}

static void fold_ok(struct reducer *r, const char *line, int want)
{
	struct diag diag;

	CHECK_INT(fold(r, line, &diag), want);
	CHECK_STR(diag.text, "");
}

static void fold_fails(struct reducer *r, const char *line, int error, const char *why)
{
	struct diag diag;

	CHECK_INT(fold(r, line, &diag), error);
	CHECK_STR(diag.text, why);
}

static void check_state(struct reducer *r, const char *want)
{
	auto_buf struct buf state = {0};
	struct diag diag = {0};

	/* It appends. */
	buf_add_str(&state, "x");
	CHECK_INT(r->class->write(r, &state, &diag), 0);
	CHECK_MEM(state.data + 1, state.len - 1, want, strlen(want));
}

static void read_ok(struct reducer *r, const char *state)
{
	struct diag diag = {0};
	char room[256];

	/* It is not terminated: what follows is not its own. */
	snprintf(room, sizeof(room), "%s,\"offset\":1", state);
	CHECK_INT(r->class->read(r, (struct slice){room, strlen(state)}, &diag), 0);
}

static void test_kinds(void)
{
	enum reducer_kind kind;
	struct slice stem;

	CHECK_INT(reducer_kind_of("todos.so", &kind, &stem), 1);
	CHECK_INT(kind, REDUCER_C);
	CHECK_MEM(stem.data, stem.len, "todos", 5);
	CHECK_INT(reducer_kind_of("a.b.jq", &kind, &stem), 1);
	CHECK_INT(kind, REDUCER_JQ);
	CHECK_MEM(stem.data, stem.len, "a.b", 3);
	static const char *const neither[] = {"",     "so",    ".so", ".jq",     "a.c",
					      "a.SO", "a.so~", "aso", "a.jq.swp"};
	for (size_t i = 0; i < countof(neither); i++)
		CHECK_INT(reducer_kind_of(neither[i], &kind, &stem), 0);
}

static void test_plain(const char *dir)
{
	struct reducer *r = load(dir, "plain"), *other = load(dir, "plain");

	check_state(r, "null");
	fold_ok(r, "{\"type\":\"skip\"}", EVENTFOLD_SAME);
	check_state(r, "null");
	fold_ok(r, "{\"type\":\"a\"}", EVENTFOLD_CHANGED);
	fold_ok(r, "{\"type\":\"q\\\"\\u00e9\"}", EVENTFOLD_CHANGED);
	check_state(r, "{\"events\":2,\"last\":\"q\\\"é\"}");
	/* The same object twice: each has its own state. */
	check_state(other, "null");
	read_ok(other, "{\"events\":2,\"last\":\"q\\\"é\"}");
	fold_ok(r, "{\"type\":\"b\"}", EVENTFOLD_CHANGED);
	fold_ok(other, "{\"type\":\"b\"}", EVENTFOLD_CHANGED);
	check_state(r, "{\"events\":3,\"last\":\"b\"}");
	check_state(other, "{\"events\":3,\"last\":\"b\"}");
	reducer_free(r);
	check_state(other, "{\"events\":3,\"last\":\"b\"}");
	fold_ok(other, "{\"type\":\"number\"}", EVENTFOLD_CHANGED);
	check_state(other, "0.1");
	fold_ok(other, "{\"type\":\"none\"}", EVENTFOLD_CHANGED);
	check_state(other, "null");
	reducer_free(other);
}

/* A state of null is no state, folded or read. */
static void test_plain_null(const char *dir)
{
	struct reducer *r = load(dir, "plain");

	fold_ok(r, "{\"type\":\"is none\"}", EVENTFOLD_SAME);
	fold_ok(r, "{\"type\":\"null\"}", EVENTFOLD_CHANGED);
	check_state(r, "null");
	fold_ok(r, "{\"type\":\"is none\"}", EVENTFOLD_SAME);
	fold_ok(r, "{\"type\":\"a\"}", EVENTFOLD_CHANGED);
	fold_fails(r, "{\"type\":\"is none\"}", -1, "there is a state at event 3");
	read_ok(r, "null");
	check_state(r, "null");
	fold_ok(r, "{\"type\":\"is none\"}", EVENTFOLD_SAME);
	fold_ok(r, "{\"type\":\"a\"}", EVENTFOLD_CHANGED);
	check_state(r, "{\"events\":1,\"last\":\"a\"}");
	reducer_free(r);
}

static void test_plain_errors(const char *dir)
{
	struct reducer *r = load(dir, "plain");
	struct diag diag = {0};

	fold_fails(r, "{\"type\":\"errno\"}", -12, "the reducer returned -12 (Cannot allocate memory)");
	fold_fails(r, "{\"type\":\"odd\"}", -100000, "the reducer returned -100000");
	CHECK(r->class->read(r, SLICE("{\"a\":"), &diag) < 0);
	CHECK_STR(diag.text, "the state could not be read");
	reducer_free(r);
}

static void test_full(const char *dir)
{
	struct reducer *r = load(dir, "full"), *other = load(dir, "full");
	auto_buf struct buf state = {0};
	struct diag diag = {0};

	check_state(r, "{\"sum\":0}");
	fold_ok(r, "{\"type\":\"a\",\"data\":9007199254740993}", EVENTFOLD_CHANGED);
	fold_ok(r, "{\"type\":\"a\",\"data\":1.0}", EVENTFOLD_SAME);
	check_state(r, "{\"sum\":9007199254740993}");
	check_state(other, "{\"sum\":0}");
	read_ok(other, "{\"sum\":-9007199254740993}");
	fold_ok(other, "{\"type\":\"a\",\"data\":-7}", EVENTFOLD_CHANGED);
	check_state(other, "{\"sum\":-9007199254741000}");
	/* What it does not understand leaves it as it was. */
	CHECK_INT(other->class->read(other, SLICE("{\"total\":1}"), &diag), -EINVAL);
	CHECK_STR(diag.text, "the reducer does not understand the state");
	check_state(other, "{\"sum\":-9007199254741000}");
	fold_fails(r, "{\"type\":\"fail\"}", -1, "no fail, please");
	fold_fails(r, "{\"type\":\"errno\"}", -22, "the reducer returned -22 (Invalid argument)");
	read_ok(r, "{\"sum\":13}");
	diag.text[0] = '\0';
	CHECK_INT(r->class->write(r, &state, &diag), -5);
	CHECK_STR(diag.text, "the reducer returned -5 (Input/output error)");
	reducer_free(r);
	reducer_free(other);
}

static void write_fails(struct reducer *r, const char *line, const char *why)
{
	auto_buf struct buf state = {0};
	struct diag diag = {0};

	fold_ok(r, line, EVENTFOLD_CHANGED);
	CHECK_INT(r->class->write(r, &state, &diag), -EINVAL);
	CHECK_STR(diag.text, why);
}

/* A state is one line of strict JSON, whatever the reducer says. */
static void test_written(const char *dir)
{
	struct reducer *full = load(dir, "full"), *plain = load(dir, "plain");
	static const struct {
		const char *line, *why;
	} bad[] = {
	    {"{\"type\":\"write\",\"data\":\"nan\"}", "what it wrote is not JSON: "},
	    {"{\"type\":\"write\",\"data\":\"[1,inf]\"}", "what it wrote is not JSON: "},
	    {"{\"type\":\"write\",\"data\":\"\"}", "what it wrote is not JSON: "},
	    {"{\"type\":\"write\",\"data\":\"1 2\"}", "what it wrote is not JSON: "},
	    {"{\"type\":\"write\",\"data\":\"1e999\"}", "what it wrote is not JSON: "},
	    {"{\"type\":\"write\",\"data\":\"[1,\\n2]\"}",
	     "what it wrote has a newline in it (at its byte 3)"},
	    {"{\"type\":\"write\",\"data\":\"1\\n\"}", "what it wrote has a newline in it (at its byte 1)"},
	};

	for (size_t i = 0; i < countof(bad); i++) {
		auto_buf struct buf state = {0};
		struct diag diag = {0};
		fold_ok(full, bad[i].line, EVENTFOLD_CHANGED);
		CHECK_INT(full->class->write(full, &state, &diag), -EINVAL);
		CHECK_MEM(diag.text, min(strlen(diag.text), strlen(bad[i].why)), bad[i].why,
			  strlen(bad[i].why));
	}
	fold_ok(full, "{\"type\":\"write\",\"data\":\"[1, 2]\"}", EVENTFOLD_CHANGED);
	check_state(full, "[1, 2]");
	reducer_free(full);

	write_fails(plain, "{\"type\":\"raw\"}", "what it wrote has a newline in it (at its byte 3)");
	write_fails(plain, "{\"type\":\"bytes\"}",
		    "what it wrote is not JSON: not valid UTF-8 (at its byte 2)");
	fold_ok(plain, "{\"type\":\"infinite\"}", EVENTFOLD_CHANGED);
	check_state(plain, "null"); /* cJSON's own way */
	reducer_free(plain);
}

static void check_refused(int fd, const char *why, bool exact)
{
	struct reducer *r = NULL;
	struct diag diag = {0};

	CHECK(reducer_load(&r, REDUCER_C, fd, &diag) < 0);
	CHECK(r == NULL);
	if (exact)
		CHECK_STR(diag.text, why);
	else if (!strstr(diag.text, why))
		CHECK_STR(diag.text, why);
	/* Where it was loaded from means nothing to anybody. */
	CHECK(!strstr(diag.text, "/proc/"));
	/* Nobody has to listen. */
	CHECK(reducer_load(&r, REDUCER_C, fd, NULL) < 0);
}

static void test_refused(const char *dir)
{
	static const char level[] =
	    "eventfold_reducer must set either reduce, or create, fold, write_json, read_json and destroy";
	static const struct {
		const char *name, *why;
	} bad[] = {
	    {"wrong_abi", "it was built for version 9 of the reducer interface; this program has version 1"},
	    {"no_symbol", "it exports no eventfold_reducer"},
	    {"no_level", level},
	    {"both_levels", level},
	    {"half_level", level},
	    {"no_create", "create returned NULL"},
	    {"undefined", "cannot load it: undefined symbol: eventfold_has_no_such_function"},
	};
	static const char junk[] =
	    "this is no shared object, but a file with enough text in it to be looked at closely";

	for (size_t i = 0; i < countof(bad); i++) {
		auto_close int fd = open_object(dir, bad[i].name);
		check_refused(fd, bad[i].why, true);
	}
	auto_close int fd = memfd_create("junk", MFD_CLOEXEC);
	CHECK(fd >= 0);
	check_refused(fd, "cannot load it: file too short", true);
	CHECK_INT(write(fd, junk, sizeof(junk)), sizeof(junk));
	check_refused(fd, "cannot load it: ", false);
	check_refused(-1, "cannot load it: Bad file descriptor", true);
}

static int copy_object(int from)
{
	char block[65536];
	ssize_t n;

	int fd = memfd_create("copy", MFD_CLOEXEC);
	CHECK(fd >= 0);
	for (off_t off = 0; (n = pread(from, block, sizeof(block), off)) > 0; off += n)
		CHECK_INT(write(fd, block, (size_t)n), n);
	return fd;
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Out of files in memory, one after the other, each closed at once: the loader sees the same names again and
 * again, and must not take one for the other; and nothing is left. */
static void test_memory(const char *dir)
{
	int before = open_descriptors();

	for (unsigned i = 0; i < 40; i++) {
		auto_close int plain_file = open_object(dir, "plain"), full_file = open_object(dir, "full");
		struct reducer *first, *second;
		bool turn = i % 2;

		int fd = copy_object(turn ? plain_file : full_file);
		CHECK_INT(reducer_load_c(&first, fd, NULL), 0);
		close(fd);
		fd = copy_object(turn ? full_file : plain_file);
		CHECK_INT(reducer_load_c(&second, fd, NULL), 0);
		close(fd);
		check_state(first, turn ? "null" : "{\"sum\":0}");
		check_state(second, turn ? "{\"sum\":0}" : "null");
		reducer_free(first);
		fold_ok(second, "{\"type\":\"a\",\"data\":1}", EVENTFOLD_CHANGED);
		check_state(second, turn ? "{\"sum\":1}" : "{\"events\":1,\"last\":\"a\"}");
		reducer_free(second);
	}
	CHECK_INT(open_descriptors(), before);
	reducer_free(NULL);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	test_kinds();
	test_plain(argv[1]);
	test_plain_null(argv[1]);
	test_plain_errors(argv[1]);
	test_written(argv[1]);
	test_full(argv[1]);
	test_refused(argv[1]);
	test_memory(argv[1]);
	return 0;
}
